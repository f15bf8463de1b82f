// SPDX-License-Identifier: Apache-2.0
// Vocabularies of GGUF files encode like the tokenizer they come from; lies are refused by name.
#include "text/gguf_vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "support/error.h"
#include "support/json.h"

namespace partita::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(PARTITA_SOURCE_DIR) / "tests" / "golden" / "tokenizers" / name;
}

GgufVocabulary converted(const std::string& name) {
  const auto file = golden(name) / "tokenizer.json";
  const auto original = Tokenizer::load(file);
  return gguf_vocabulary_of(read_text(file), original->vocab_size(), name);
}

// The one token of qwen2_like that is matched in normalized text, which GGUF cannot say.
constexpr int32_t kNormalizedToken = 524;

GgufVocabulary converted_without_normalized_token(const std::string& name) {
  const auto file = golden(name) / "tokenizer.json";
  const int32_t count = Tokenizer::load(file)->vocab_size();
  Json json = read_json(file);
  Json kept = Json::array();
  for (const Json& token : json.at("added_tokens")) {
    if (token.at("id") != kNormalizedToken) kept.push_back(token);
  }
  json["added_tokens"] = kept;
  return gguf_vocabulary_of(json.dump(), count, name);
}

template <typename Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return str(to_string(error.code()), ": ", error.what());
  }
  return "accepted";
}

std::string refusal_of(const GgufVocabulary& vocabulary) {
  return message_of([&] { (void)make_tokenizer(vocabulary, "a.gguf"); });
}

// The answers of the Python package "tokenizers" for the original file.
TEST(GgufVocabulary, ByteLevelTokenizersEncodeAsTheReferenceDoes) {
  for (const char* name : {"byte_level_gpt2", "llama3_split", "qwen2_like"}) {
    const auto tokenizer = make_tokenizer(converted_without_normalized_token(name), name);
    const Json cases = read_json(golden(name) / "cases.json");
    ASSERT_GT(cases.size(), 40U);
    for (const Json& item : cases) {
      SCOPED_TRACE(str(name, ": ", item.at("text").dump()));
      const auto ids = item.at("ids").get<std::vector<int32_t>>();
      if (std::ranges::count(ids, kNormalizedToken) > 0) continue;
      EXPECT_EQ(tokenizer->encode(item.at("text").get<std::string>()), ids);
      EXPECT_EQ(tokenizer->decode(ids), item.at("decoded").get<std::string>());
      EXPECT_EQ(tokenizer->decode(ids, true), item.at("decoded_skip").get<std::string>());
    }
  }
}

TEST(GgufVocabulary, TokenizersThatGgufCannotSayAreRefused) {
  const auto refusal = [](const char* name) { return message_of([&] { (void)converted(name); }); };
  EXPECT_THAT(refusal("byte_level_prefix_space"), HasSubstr("token '<mask>' has lstrip"));
  EXPECT_THAT(refusal("qwen2_like"), HasSubstr("is matched in normalized text"));
  EXPECT_THAT(refusal("llama2_byte_fallback"), HasSubstr("has a cut that is no merge"));
}

// <unk> <s> </s>, three bytes of U+00E9 and x, then pieces by falling score.
GgufVocabulary scored() {
  GgufVocabulary vocabulary;
  vocabulary.model = "llama";
  vocabulary.tokens = {"<unk>",
                       "<s>",
                       "</s>",
                       "<0xC3>",
                       "<0xA9>",
                       "\xE2\x96\x81",
                       "a",
                       "b",
                       "c",
                       "ab",
                       "bc",
                       "\xE2\x96\x81"
                       "a"};
  vocabulary.scores = {0, 0, 0, 0, 0, -9, -9, -9, -9, -2, -1, -3};
  vocabulary.types = {2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1, 1};
  vocabulary.bos = 1;
  vocabulary.eos = 2;
  return vocabulary;
}

TEST(GgufVocabulary, HigherScoresMergeFirstAndOfEqualOnesTheLeft) {
  GgufVocabulary vocabulary = scored();
  // "bc" (-1) before "ab" (-2) before the space with its letter (-3).
  EXPECT_THAT(make_tokenizer(vocabulary, "a")->encode("abc"), ElementsAre(1, 11, 10));
  EXPECT_THAT(make_tokenizer(vocabulary, "a")->encode("aab"), ElementsAre(1, 11, 9));
  vocabulary.scores[9] = -1;
  EXPECT_THAT(make_tokenizer(vocabulary, "a")->encode("abc"), ElementsAre(1, 5, 9, 8));
}

TEST(GgufVocabulary, BytesStandForUnknownCharactersAndSpacesAreKept) {
  const auto tokenizer = make_tokenizer(scored(), "a");
  EXPECT_THAT(tokenizer->encode("a\xC3\xA9"), ElementsAre(1, 11, 3, 4));
  EXPECT_THAT(tokenizer->encode("z"), ElementsAre(1, 5, 0));
  const auto ids = tokenizer->encode("a  b");
  EXPECT_EQ(tokenizer->decode(ids, true), "a  b");
  EXPECT_THAT(tokenizer->encode("</s>a"), ElementsAre(1, 2, 11));
}

TEST(GgufVocabulary, SpecialTokensAreAddedAsTheFileSays) {
  GgufVocabulary vocabulary = scored();
  vocabulary.add_bos = false;
  vocabulary.add_eos = true;
  vocabulary.add_space_prefix = false;
  const auto tokenizer = make_tokenizer(vocabulary, "a");
  EXPECT_THAT(tokenizer->encode("a"), ElementsAre(6, 2));
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{11}), " a");
  vocabulary.eos = std::nullopt;
  EXPECT_THAT(refusal_of(vocabulary), HasSubstr("tokenizer.ggml.eos_token_id is missing"));
}

TEST(GgufVocabulary, RefusesLiesByName) {
  const auto with = [](const auto& change) {
    GgufVocabulary vocabulary = scored();
    change(vocabulary);
    return refusal_of(vocabulary);
  };
  EXPECT_THAT(with([](auto& v) { v.scores.pop_back(); }),
              HasSubstr("tokenizer.ggml.scores has 11 entries; expected one per token, 12"));
  EXPECT_THAT(with([](auto& v) { v.types.pop_back(); }), HasSubstr("token_type has 11 entries"));
  EXPECT_THAT(with([](auto& v) { v.types[3] = 7; }), HasSubstr("token_type of token 3 is 7"));
  EXPECT_THAT(with([](auto& v) { v.bos = 12; }), HasSubstr("bos_token_id is 12; expected 0 .. 11"));
  EXPECT_THAT(with([](auto& v) { v.unknown = -1; }), HasSubstr("unknown_token_id is -1"));
  EXPECT_THAT(with([](auto& v) { v.tokens[7] = "a"; }), HasSubstr("token 'a' twice"));
  EXPECT_THAT(with([](auto& v) { v.tokens[7] = std::string(2000, 'a'); }),
              HasSubstr("token 7 has 2000 bytes"));
  EXPECT_THAT(with([](auto& v) { v.scores[7] = std::numeric_limits<double>::quiet_NaN(); }),
              HasSubstr("scores of token 7 is no finite number"));
  EXPECT_THAT(with([](auto& v) { v.tokens.clear(); }), HasSubstr("tokenizer.ggml.tokens is empty"));
  EXPECT_THAT(with([](auto& v) { v.model = "t5"; }),
              HasSubstr("tokenizer.ggml.model is \"t5\"; partita knows gpt2 and llama"));
}

TEST(GgufVocabulary, RefusesMergesAndPreTokenizersByName) {
  const auto with = [](const auto& change) {
    GgufVocabulary vocabulary;
    vocabulary.model = "gpt2";
    vocabulary.tokens = {"a", "b", "ab"};
    vocabulary.merges = {"a b"};
    change(vocabulary);
    return refusal_of(vocabulary);
  };
  EXPECT_EQ(with([](auto&) {}), "accepted");
  EXPECT_THAT(with([](auto& v) { v.merges = {"ab"}; }), HasSubstr("merges 0 is \"ab\""));
  EXPECT_THAT(with([](auto& v) { v.merges = {"a c"}; }), HasSubstr("needs the token 'c'"));
  EXPECT_THAT(with([](auto& v) { v.pre = "future"; }),
              HasSubstr("tokenizer.ggml.pre is \"future\"; partita knows gpt-2, "));
}

}  // namespace
}  // namespace partita::text
