// SPDX-License-Identifier: Apache-2.0
// Between GGUF keys and the vocabulary that the tokenizer is made of.
#include "api/gguf_tokenizer.h"

#include "support/error.h"

namespace partita::api {
namespace {

using formats::GgufMetadata;
using formats::GgufValue;

constexpr char kModel[] = "tokenizer.ggml.model";
constexpr char kPre[] = "tokenizer.ggml.pre";
constexpr char kTokens[] = "tokenizer.ggml.tokens";
constexpr char kScores[] = "tokenizer.ggml.scores";
constexpr char kTypes[] = "tokenizer.ggml.token_type";
constexpr char kMerges[] = "tokenizer.ggml.merges";
constexpr char kBos[] = "tokenizer.ggml.bos_token_id";
constexpr char kEos[] = "tokenizer.ggml.eos_token_id";
constexpr char kUnknown[] = "tokenizer.ggml.unknown_token_id";
constexpr char kAddBos[] = "tokenizer.ggml.add_bos_token";
constexpr char kAddEos[] = "tokenizer.ggml.add_eos_token";
constexpr char kSpacePrefix[] = "tokenizer.ggml.add_space_prefix";
constexpr char kRemoveSpaces[] = "tokenizer.ggml.remove_extra_whitespaces";

template <typename T>
void copy_list(const std::vector<T>* from, std::vector<T>& to) {
  if (from != nullptr) to = *from;
}

std::optional<bool> flag_if(const GgufMetadata& metadata, const char* key) {
  if (!metadata.has(key)) return std::nullopt;
  return metadata.flag_or(key, false);
}

}  // namespace

text::GgufVocabulary read_gguf_vocabulary(const GgufMetadata& metadata) {
  text::GgufVocabulary vocabulary;
  vocabulary.model = metadata.text_or(kModel, "");
  if (!has_tokenizer(vocabulary)) return vocabulary;
  if (metadata.flag_or(kRemoveSpaces, false)) {
    throw Error(ErrorCode::kUnsupported, str("[tokenizer] ", metadata.what(), ": ", kRemoveSpaces,
                                             " is true; partita keeps all spaces"));
  }
  vocabulary.pre = metadata.text_or(kPre, "");
  copy_list(metadata.texts(kTokens), vocabulary.tokens);
  copy_list(metadata.numbers(kScores), vocabulary.scores);
  copy_list(metadata.integers(kTypes), vocabulary.types);
  copy_list(metadata.texts(kMerges), vocabulary.merges);
  vocabulary.bos = metadata.integer_if(kBos);
  vocabulary.eos = metadata.integer_if(kEos);
  vocabulary.unknown = metadata.integer_if(kUnknown);
  vocabulary.add_bos = flag_if(metadata, kAddBos);
  vocabulary.add_eos = flag_if(metadata, kAddEos);
  vocabulary.add_space_prefix = metadata.flag_or(kSpacePrefix, true);
  return vocabulary;
}

void add_gguf_vocabulary(const text::GgufVocabulary& vocabulary,
                         std::map<std::string, GgufValue, std::less<>>& metadata) {
  metadata[kModel] = GgufValue::text(vocabulary.model);
  if (!has_tokenizer(vocabulary)) return;
  if (!vocabulary.pre.empty()) metadata[kPre] = GgufValue::text(vocabulary.pre);
  metadata[kTokens] = GgufValue::list_of_texts(vocabulary.tokens);
  if (!vocabulary.scores.empty()) metadata[kScores] = GgufValue::list_of_f32(vocabulary.scores);
  if (!vocabulary.types.empty()) metadata[kTypes] = GgufValue::list_of_i32(vocabulary.types);
  if (vocabulary.model == "gpt2") metadata[kMerges] = GgufValue::list_of_texts(vocabulary.merges);
  const auto add_id = [&](const char* key, const std::optional<int64_t>& id) {
    if (id) metadata[key] = GgufValue::u32(static_cast<uint32_t>(*id));
  };
  add_id(kBos, vocabulary.bos);
  add_id(kEos, vocabulary.eos);
  add_id(kUnknown, vocabulary.unknown);
  if (vocabulary.add_bos) metadata[kAddBos] = GgufValue::boolean(*vocabulary.add_bos);
  if (vocabulary.add_eos) metadata[kAddEos] = GgufValue::boolean(*vocabulary.add_eos);
  if (vocabulary.model == "llama")
    metadata[kSpacePrefix] = GgufValue::boolean(vocabulary.add_space_prefix);
}

}  // namespace partita::api
