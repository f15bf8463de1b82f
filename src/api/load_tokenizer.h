// SPDX-License-Identifier: Apache-2.0
// Finds the tokenizer of a model, whatever form the model has.
#pragma once

#include <filesystem>
#include <memory>

#include "text/tokenizer.h"

namespace partita::api {

// A GGUF file of metadata alone, which stands for tokenizer.json in partitions of GGUF models.
inline constexpr char kTokenizerGgufName[] = "tokenizer.gguf";

// Of a GGUF file its own; of a folder tokenizer.json or tokenizer.gguf. Null when there is none.
// Throws what reading them throws.
[[nodiscard]] std::unique_ptr<const text::Tokenizer> load_tokenizer(
    const std::filesystem::path& path);

// Writes the metadata of the GGUF file `from` as tokenizer.gguf into `folder`.
void write_tokenizer_gguf(const std::filesystem::path& from, const std::filesystem::path& folder);

}  // namespace partita::api
