// SPDX-License-Identifier: Apache-2.0
// How byte-level tokenizers of GGUF files cut text before they merge: a name stands for
// expressions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace partita::text {

struct GgufPreTokenizer {
  std::string_view name;                      // tokenizer.ggml.pre
  std::vector<std::string_view> expressions;  // applied one after the other; matches are pieces
  bool composes = false;                      // NFC first
  bool whole_pieces = false;                  // a piece that is a token is not merged
  bool adds_bos = false;                      // unless the file says otherwise
};

// Throws kUnsupported naming `what` and the known names. "" is GPT-2, as files had it before there
// was the key.
[[nodiscard]] GgufPreTokenizer gguf_pre_tokenizer(std::string_view name, std::string_view what);

// What a tokenizer does before merging.
struct PreTokenizing {
  std::vector<std::string> expressions;
  bool composes = false;
  bool whole_pieces = false;
};

// The name that stands for it; nothing when there is none.
[[nodiscard]] std::optional<std::string> gguf_pre_tokenizer_name(const PreTokenizing& steps);

}  // namespace partita::text
