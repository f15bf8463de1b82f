// SPDX-License-Identifier: Apache-2.0
// A tokenizer for models that have none.
#pragma once

#include <cstdint>
#include <string>

namespace partita::api {

inline constexpr int64_t kLeastByteVocabulary = 257;

// tokenizer.json of a byte-level vocabulary of `vocab_size` (at least kLeastByteVocabulary) tokens:
// the 256 bytes, strings of lower-case letters that merge letter by letter, and last
// <|endoftext|>. Any text can be encoded and comes back unchanged.
[[nodiscard]] std::string byte_tokenizer_json(int64_t vocab_size);

}  // namespace partita::api
