// SPDX-License-Identifier: Apache-2.0
// The vocabulary of a GGUF file as a tokenizer, and a tokenizer.json as such a vocabulary.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace partita::text {

// Kinds of tokens, numbered as in the file.
enum class GgufTokenType : int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

// What stands under tokenizer.ggml in the metadata.
struct GgufVocabulary {
  std::string model;                // "gpt2": merges over bytes; "llama": merges by score
  std::string pre;                  // how "gpt2" cuts the text before; empty = as GPT-2
  std::vector<std::string> tokens;  // by id
  std::vector<double> scores;       // of "llama"
  std::vector<int64_t> types;       // GgufTokenType; empty = all normal
  std::vector<std::string> merges;  // of "gpt2": "left right"
  std::optional<int64_t> bos;
  std::optional<int64_t> eos;
  std::optional<int64_t> unknown;
  std::optional<bool> add_bos;  // nothing = what the kind of tokenizer does
  std::optional<bool> add_eos;
  bool add_space_prefix = true;  // of "llama"
};

// Whether the file names a tokenizer at all ("none" and "no_vocab" do not).
[[nodiscard]] inline bool has_tokenizer(const GgufVocabulary& vocabulary) {
  return !vocabulary.model.empty() && vocabulary.model != "none" && vocabulary.model != "no_vocab";
}

// `what` names the file in messages. Throws kInvalidFile (lists of unlike lengths, ids outside the
// vocabulary, a token twice, merges of unknown tokens), kUnsupported (another model or
// pre-tokenizer; lists the known ones).
[[nodiscard]] std::unique_ptr<const Tokenizer> make_tokenizer(const GgufVocabulary& vocabulary,
                                                              std::string_view what);

// The other way: what a GGUF file must say so that readers encode as this tokenizer.json does.
// `token_count` ids get an entry; ids without token become unused ones. Throws kUnsupported for
// tokenizers that GGUF cannot express.
[[nodiscard]] GgufVocabulary gguf_vocabulary_of(std::string_view json_text,
                                                int64_t token_count,
                                                std::string_view what);

}  // namespace partita::text
