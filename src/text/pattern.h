// SPDX-License-Identifier: Apache-2.0
// Search patterns of normalizers, pre-tokenizers and decoders, and the ways to split a text at
// matches.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/json.h"
#include "text/regex.h"

namespace partita::text {

// A literal string or a regular expression. Immutable, thread-safe, copyable.
class Pattern {
 public:
  // From {"String": "..."} or {"Regex": "..."}. Throws Error(kInvalidFile) otherwise, and as Regex.
  static Pattern from_json(const Json& json, std::string_view what);
  static Pattern literal(std::string_view text, std::string_view what);
  static Pattern regex(std::string_view expression, std::string_view what);

  // All matches, left to right, without overlap.
  [[nodiscard]] std::vector<ByteSpan> find_all(std::string_view text) const;

  // `text` with every match replaced by `content` (taken literally).
  [[nodiscard]] std::string replace_all(std::string_view text, std::string_view content) const;

 private:
  std::string literal_;  // used when there is no regex; never empty then
  std::optional<Regex> regex_;
};

// What happens to the matches (delimiters) when a text is split at them.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// From the spellings "Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous".
// Throws Error(kUnsupported).
[[nodiscard]] SplitBehavior split_behavior_from(std::string_view name, std::string_view what);

// Cuts [0, size) at `delimiters` (ascending, disjoint) and returns the non-empty pieces to keep,
// ascending. `invert` takes the gaps as the delimiters.
//   "a--b" with matches {1,2} {2,3}: isolated a,-,-,b; contiguous a,--,b; merged with next a,-,-b
[[nodiscard]] std::vector<ByteSpan> split_at(const std::vector<ByteSpan>& delimiters,
                                             size_t size,
                                             SplitBehavior behavior,
                                             bool invert = false);

// Each character of `text` that has the property, as one span.
[[nodiscard]] std::vector<ByteSpan> find_characters(std::string_view text,
                                                    bool (*has_property)(char32_t));

}  // namespace partita::text
