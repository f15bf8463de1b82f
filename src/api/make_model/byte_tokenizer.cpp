// SPDX-License-Identifier: Apache-2.0
// Fills a vocabulary with strings of letters, the short ones first.
#include "api/make_model/byte_tokenizer.h"

#include <vector>

#include "support/error.h"
#include "support/json.h"
#include "text/byte_alphabet.h"

namespace partita::api {
namespace {

constexpr int64_t kBytes = 256;

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<std::pair<std::string, std::string>> merges;
};

// A space or letter, then letters: every string is one that is there before plus a letter.
Vocabulary letters(int64_t size) {
  Vocabulary vocabulary;
  for (int64_t byte = 0; byte < kBytes; ++byte) {
    vocabulary.tokens.push_back(text::bytes_to_characters(std::string(1, static_cast<char>(byte))));
  }
  std::vector<std::string> parents = {text::bytes_to_characters(" ")};
  for (char letter = 'a'; letter <= 'z'; ++letter) parents.emplace_back(1, letter);
  for (size_t parent = 0; parent < parents.size(); ++parent) {
    for (char letter = 'a'; letter <= 'z'; ++letter) {
      if (static_cast<int64_t>(vocabulary.tokens.size()) == size) return vocabulary;
      const std::string last(1, letter);
      vocabulary.merges.emplace_back(parents[parent], last);
      parents.push_back(parents[parent] + last);
      vocabulary.tokens.push_back(parents.back());
    }
  }
  return vocabulary;
}

std::string quoted(const std::string& text) { return Json(text).dump(); }

}  // namespace

std::string byte_tokenizer_json(int64_t vocab_size) {
  CHECK(vocab_size >= kLeastByteVocabulary, "a vocabulary of ", vocab_size);
  const Vocabulary vocabulary = letters(vocab_size - 1);
  const int64_t end = vocab_size - 1;
  // Written as text: a Json object of many keys takes quadratic time.
  std::string json =
      str(R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":)", end,
          R"(,"content":"<|endoftext|>","single_word":false,"lstrip":false,)",
          R"("rstrip":false,"normalized":false,"special":true}],"normalizer":null,)",
          R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,)",
          R"("trim_offsets":true,"use_regex":true},"post_processor":null,)",
          R"("decoder":{"type":"ByteLevel","add_prefix_space":true,)",
          R"("trim_offsets":true,"use_regex":true},"model":{"type":"BPE","dropout":null,)",
          R"("unk_token":null,"continuing_subword_prefix":null,)",
          R"("end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,)", R"("vocab":{)");
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    json += str(quoted(vocabulary.tokens[id]), ":", id, ",");
  }
  json += str("\"<|endoftext|>\":", end, "},\"merges\":[");
  for (size_t i = 0; i < vocabulary.merges.size(); ++i) {
    const auto& [left, right] = vocabulary.merges[i];
    json += str(i == 0 ? "" : ",", quoted(left + " " + right));
  }
  return json + "]}}\n";
}

}  // namespace partita::api
