// SPDX-License-Identifier: Apache-2.0
// The table of pre-tokenizers. The expressions are those of the models' own tokenizer files.
#include "text/gguf_pre_tokenizers.h"

#include <algorithm>

#include "support/error.h"

namespace partita::text {
namespace {

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kOneDigit = R"(\p{N})";

// Names that mean the same stand one after the other; the first is the one to write.
const std::vector<GgufPreTokenizer>& table() {
  static const std::vector<GgufPreTokenizer> kTable = {
      {"gpt-2", {kGpt2}},
      {"", {kGpt2}},
      {"phi-2", {kGpt2}},
      {"mpt", {kGpt2}},
      {"olmo", {kGpt2}},
      {"llama-bpe", {kLlama3}, false, true, true},
      {"llama3", {kLlama3}, false, true, true},
      {"llama-v3", {kLlama3}, false, true, true},
      {"smaug-bpe", {kLlama3}},
      {"dbrx", {kLlama3}},
      {"qwen2", {kQwen2}, true},
      {"deepseek-r1-qwen", {kQwen2}, true},
      {"stablelm2", {kQwen2}},
      {"starcoder", {kOneDigit, kGpt2}},
      {"refact", {kOneDigit, kGpt2}},
      {"smollm", {kOneDigit, kGpt2}},
  };
  return kTable;
}

}  // namespace

GgufPreTokenizer gguf_pre_tokenizer(std::string_view name, std::string_view what) {
  std::string known;
  for (const GgufPreTokenizer& row : table()) {
    if (row.name == name) return row;
    if (!row.name.empty()) known += str(known.empty() ? "" : ", ", row.name);
  }
  throw Error(ErrorCode::kUnsupported, str("[tokenizer] ", what, ": tokenizer.ggml.pre is \"",
                                           name.substr(0, 80), "\"; partita knows ", known));
}

std::optional<std::string> gguf_pre_tokenizer_name(const PreTokenizing& steps) {
  for (const GgufPreTokenizer& row : table()) {
    if (row.composes == steps.composes && row.whole_pieces == steps.whole_pieces &&
        std::equal(row.expressions.begin(), row.expressions.end(), steps.expressions.begin(),
                   steps.expressions.end())) {
      return std::string(row.name);
    }
  }
  return std::nullopt;
}

}  // namespace partita::text
