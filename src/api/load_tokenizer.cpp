// SPDX-License-Identifier: Apache-2.0
// Tokenizers from their files.
#include "api/load_tokenizer.h"

#include "api/gguf_tokenizer.h"
#include "formats/gguf/file.h"
#include "formats/gguf/writer.h"

namespace partita::api {
namespace {

std::unique_ptr<const text::Tokenizer> tokenizer_of_gguf(const std::filesystem::path& file) {
  const formats::GgufFile gguf(file);
  const text::GgufVocabulary vocabulary = read_gguf_vocabulary(gguf.metadata());
  if (!has_tokenizer(vocabulary)) return nullptr;
  return make_tokenizer(vocabulary, file.string());
}

}  // namespace

std::unique_ptr<const text::Tokenizer> load_tokenizer(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::exists(path / "tokenizer.json", ignored)) {
    return text::Tokenizer::load(path / "tokenizer.json");
  }
  if (std::filesystem::exists(path / kTokenizerGgufName, ignored)) {
    return tokenizer_of_gguf(path / kTokenizerGgufName);
  }
  if (const auto gguf = formats::find_gguf(path)) return tokenizer_of_gguf(*gguf);
  return nullptr;
}

void write_tokenizer_gguf(const std::filesystem::path& from, const std::filesystem::path& folder) {
  const formats::GgufFile gguf(from);
  formats::GgufWriter writer(folder / kTokenizerGgufName, gguf.metadata().values(), {});
  writer.finish();
}

}  // namespace partita::api
