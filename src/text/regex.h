// SPDX-License-Identifier: Apache-2.0
// A compiled regular expression; the only place that knows PCRE2.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace partita::text {

// Bytes [begin, end) of a text.
struct ByteSpan {
  size_t begin = 0;
  size_t end = 0;
  auto operator<=>(const ByteSpan&) const = default;
};

// Immutable and thread-safe; copies share the compiled code.
//   Regex(" ?[a-z]+", "tokenizer.json").find_all("ab cd") == {{0, 2}, {2, 5}}
class Regex {
 public:
  // `pattern` is in the dialect of tokenizer.json (see regex_dialect.h), valid UTF-8. Throws
  // Error(kInvalidFile) naming `what` when it is malformed, Error(kUnsupported) when it needs a
  // feature that PCRE2 lacks.
  Regex(std::string_view pattern, std::string_view what);

  // All matches in `text` (valid UTF-8), left to right, without overlap; an empty match is not
  // reported directly behind another match. Throws Error(kUnsupported) when PCRE2 gives up at its
  // match or memory limit.
  [[nodiscard]] std::vector<ByteSpan> find_all(std::string_view text) const;

 private:
  struct Code;
  // Shared, because normalizers and pre-tokenizers are copyable values; never changed once built.
  std::shared_ptr<const Code> code_;
};

}  // namespace partita::text
