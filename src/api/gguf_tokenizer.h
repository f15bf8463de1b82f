// SPDX-License-Identifier: Apache-2.0
// The tokenizer part of GGUF metadata.
#pragma once

#include <map>
#include <string>

#include "formats/gguf/metadata.h"
#include "text/gguf_vocabulary.h"

namespace partita::api {

// Reads tokenizer.ggml.*. Throws kInvalidFile for values of the wrong type.
[[nodiscard]] text::GgufVocabulary read_gguf_vocabulary(const formats::GgufMetadata& metadata);

// And writes it.
void add_gguf_vocabulary(const text::GgufVocabulary& vocabulary,
                         std::map<std::string, formats::GgufValue, std::less<>>& metadata);

}  // namespace partita::api
