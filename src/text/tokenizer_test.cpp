// SPDX-License-Identifier: Apache-2.0
// The pipeline on small hand-written files: components, added tokens, models, bad files.
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "support/error.h"
#include "support/json.h"

namespace partita::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kModel =
    R"("model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "abc": 5, " ": 6, "<s>": 7},
       "merges": ["a b", ["b", "c"], "ab c"]})";

// A file with kModel and other members.
std::unique_ptr<const Tokenizer> with(std::string_view members) {
  return Tokenizer::parse(str("{", members, members.empty() ? "" : ",", kModel, "}"), "test.json");
}

// A file with only the given model members.
std::unique_ptr<const Tokenizer> with_model(std::string_view members) {
  return Tokenizer::parse(str(R"({"model": {)", members, "}}"), "test.json");
}

struct Failure {
  ErrorCode code;
  std::string message;
};

Failure failure_of(std::string_view text) {
  try {
    (void)Tokenizer::parse(text, "test.json");
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  ADD_FAILURE() << "accepted: " << text;
  return {ErrorCode::kInternal, ""};
}

void expect_invalid(std::string_view text) {
  const Failure failure = failure_of(text);
  EXPECT_EQ(failure.code, ErrorCode::kInvalidFile) << text << "\n" << failure.message;
  EXPECT_THAT(failure.message, HasSubstr("test.json"));
}

TEST(BpeTest, LowestRankFirstThenLeftmost) {
  const auto tokenizer = with("");
  EXPECT_THAT(tokenizer->encode("abc"), ElementsAre(5));
  EXPECT_THAT(tokenizer->encode("bcab"), ElementsAre(4, 3));
  EXPECT_THAT(with_model(R"("vocab": {"a": 0, "aa": 1}, "merges": ["a a"])")->encode("aaa"),
              ElementsAre(1, 0));
}

TEST(BpeTest, CharactersWithoutTokenVanishWithoutUnknownToken) {
  EXPECT_THAT(with("")->encode("axb"), ElementsAre(3));
}

TEST(BpeTest, UnknownTokensFuseOnlyWhenAsked) {
  const std::string vocab =
      R"("type": "BPE", "vocab": {"a": 0, "?": 1}, "merges": [], "unk_token": "?")";
  EXPECT_THAT(with_model(vocab)->encode("axya"), ElementsAre(0, 1, 1, 0));
  EXPECT_THAT(with_model(vocab + R"(, "fuse_unk": true)")->encode("axya"), ElementsAre(0, 1, 0));
}

TEST(BpeTest, ByteFallbackIsAllOrNothingForACharacter) {
  const auto tokenizer = with_model(R"("type": "BPE", "byte_fallback": true, "unk_token": "?",
    "vocab": {"?": 0, "<0xC3>": 1, "<0xA9>": 2}, "merges": [])");
  EXPECT_THAT(tokenizer->encode("\u00E9"), ElementsAre(1, 2));
  EXPECT_THAT(tokenizer->encode("\u00E8"), ElementsAre(0));  // <0xA8> is missing
}

TEST(BpeTest, IgnoreMergesTakesAWholeWord) {
  const std::string model = R"("type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [])";
  EXPECT_THAT(with_model(model)->encode("ab"), ElementsAre(0, 1));
  EXPECT_THAT(with_model(model + R"(, "ignore_merges": true)")->encode("ab"), ElementsAre(2));
}

TEST(BpeTest, PrefixAndSuffixOfSubwords) {
  const auto tokenizer =
      with_model(R"("type": "BPE", "continuing_subword_prefix": "##", "end_of_word_suffix": "~",
    "vocab": {"a": 0, "##b": 1, "##c~": 2, "ab": 3, "abc~": 4}, "merges": ["a ##b", "ab ##c~"])");
  EXPECT_THAT(tokenizer->encode("abc"), ElementsAre(4));
}

TEST(BpeTest, LongWordIsNotQuadratic) {
  const auto tokenizer = with("");
  std::string text;
  for (int i = 0; i < 200000; ++i) text += "abc"[i % 2];
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(tokenizer->encode(text).size(), 100000u);
  // Quadratic work would be minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(TokenizerTest, EmptyText) {
  EXPECT_THAT(with("")->encode(""), IsEmpty());
  EXPECT_EQ(with("")->decode({}), "");
}

TEST(TokenizerTest, InvalidUtf8BecomesTheReplacementCharacter) {
  const auto tokenizer = with_model(R"("vocab": {"a": 0, "\ufffd": 1}, "merges": [])");
  EXPECT_THAT(tokenizer->encode("a\xFF\x61"), ElementsAre(0, 1, 0));
}

TEST(TokenizerTest, LooksUpTokens) {
  const auto tokenizer = with(R"("added_tokens": [{"id": 7, "content": "<s>", "special": true},
                                                  {"id": 20, "content": "<x>"}])");
  EXPECT_EQ(tokenizer->vocab_size(), 21);
  EXPECT_EQ(tokenizer->token_to_id("abc"), 5);
  EXPECT_EQ(tokenizer->token_to_id("<x>"), 20);
  EXPECT_EQ(tokenizer->token_to_id("nope"), std::nullopt);
  EXPECT_EQ(tokenizer->id_to_token(20), "<x>");
  EXPECT_EQ(tokenizer->id_to_token(12), "");
  EXPECT_TRUE(tokenizer->is_special(7));
  EXPECT_FALSE(tokenizer->is_special(20));
  EXPECT_FALSE(tokenizer->is_special(-1));
}

TEST(TokenizerTest, ManyThreadsShareOneTokenizer) {
  const auto tokenizer =
      with(R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\s+|\\S+"},
    "behavior": "Isolated"}, "normalizer": {"type": "NFC"})");
  const std::vector<int32_t> expected = {5, 6, 3, 6, 4};
  std::vector<std::jthread> threads;
  std::atomic<int> equal = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 100; ++round)
        equal += tokenizer->encode("abc ab bc") == expected ? 1 : 0;
    });
  }
  threads.clear();
  EXPECT_EQ(equal, 400);
}

TEST(TokenizerTest, DecodingLeavesOutIdsWithoutToken) {
  const std::vector<int32_t> ids = {0, 999, -5, 1};
  EXPECT_EQ(with("")->decode(ids), "a b");  // without decoder, tokens are joined by spaces
}

TEST(TokenizerTest, TemplateAddsSpecialTokens) {
  const auto tokenizer =
      with(R"("post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel"},
    {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "B", "type_id": 0}},
      {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {"B": {"id": "B", "ids": [7]}}}]})");
  EXPECT_THAT(tokenizer->encode("ab"), ElementsAre(7, 3));
  EXPECT_THAT(tokenizer->encode("ab", false), ElementsAre(3));
  EXPECT_THAT(tokenizer->encode(""), ElementsAre(7));
}

TEST(AddedTokenTest, LongestWinsAndTextAroundIsEncodedApart) {
  const auto tokenizer =
      with(R"("added_tokens": [{"id": 10, "content": "<b"}, {"id": 11, "content": "<bc"}])");
  EXPECT_THAT(tokenizer->encode("a<bcb<ba"), ElementsAre(0, 11, 1, 10, 0));
}

TEST(AddedTokenTest, StripsAndSingleWords) {
  const auto tokenizer = with(R"("added_tokens": [{"id": 10, "content": "<l>", "lstrip": true},
    {"id": 11, "content": "<r>", "rstrip": true}, {"id": 12, "content": "cab", "single_word": true}])");
  EXPECT_THAT(tokenizer->encode("a  <l> b"), ElementsAre(0, 10, 6, 1));
  EXPECT_THAT(tokenizer->encode("a <r> \tb"), ElementsAre(0, 6, 11, 1));
  EXPECT_THAT(tokenizer->encode("a<r>  <l>b"), ElementsAre(0, 11, 10, 1));
  EXPECT_THAT(tokenizer->encode("a cab"), ElementsAre(0, 6, 12));
  EXPECT_THAT(tokenizer->encode("acab"), ElementsAre(0, 2, 3));
}

TEST(AddedTokenTest, NormalizedTokensMatchNormalizedText) {
  const auto tokenizer = with(R"("normalizer": {"type": "Lowercase"}, "added_tokens": [
    {"id": 10, "content": "Yes", "normalized": true}, {"id": 11, "content": "No", "normalized": false}])");
  EXPECT_THAT(tokenizer->encode("yESa"), ElementsAre(10, 0));
  EXPECT_THAT(tokenizer->encode("NoA"), ElementsAre(11, 0));
  EXPECT_THAT(tokenizer->encode("noA"), ElementsAre(0));
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{10, 11}), "yes No");
}

TEST(BadFileTest, NotATokenizer) {
  expect_invalid("");
  expect_invalid("[]");
  expect_invalid("{}");
  expect_invalid("3");
  expect_invalid(R"({"model": 1})");
  expect_invalid(R"({"model": {"type": "BPE"}})");
  expect_invalid(R"({"model": {"type": "BPE", "vocab": {}, "merges": []}} x)");
  expect_invalid(std::string(1000, '['));
}

TEST(BadFileTest, Vocabulary) {
  expect_invalid(R"({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}})");
  expect_invalid(R"({"model": {"type": "BPE", "vocab": {"a": 2147483647}, "merges": []}})");
  expect_invalid(
      R"({"model": {"type": "BPE", "vocab": {"a": 18446744073709551615}, "merges": []}})");
  expect_invalid(R"({"model": {"type": "BPE", "vocab": {"a": 1.5}, "merges": []}})");
  expect_invalid(R"({"model": {"type": "BPE", "vocab": {"a": {}}, "merges": []}})");
  expect_invalid(R"({"model": {"type": "BPE", "vocab": {"a": 0, "a": 1}, "merges": []}})");
  expect_invalid(R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}})");
  expect_invalid(R"({"model": {"type": "BPE", "vocab": {}, "vocab": {}, "merges": []}})");
  expect_invalid(R"({"model": {"type": "BPE", "vocab": [["a", 0.5]], "merges": []}})");
  expect_invalid(
      R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "b"}})");
}

TEST(BadFileTest, Merges) {
  const auto merges = [](std::string_view list) {
    return str(R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": )", list, "}}");
  };
  expect_invalid(merges(R"(["a b"])"));  // ab is no token
  expect_invalid(merges(R"(["a x"])"));
  expect_invalid(merges(R"(["a"])"));
  expect_invalid(merges(R"(["a b c"])"));
  expect_invalid(merges(R"([["a"]])"));
  expect_invalid(merges(R"([["a", "b", "c"]])"));
  expect_invalid(merges(R"([["a", ["b"]]])"));
  expect_invalid(merges(R"([["a", 1]])"));
  expect_invalid(merges(R"([{}])"));
  expect_invalid(merges("{}"));
}

TEST(BadFileTest, AddedTokens) {
  const auto added = [](std::string_view list) {
    return str(R"({"added_tokens": )", list, ",", kModel, "}");
  };
  expect_invalid(added("{}"));
  expect_invalid(added("[1]"));
  expect_invalid(added(R"([{"id": 9}])"));
  expect_invalid(added(R"([{"id": -9, "content": "x"}])"));
  expect_invalid(added(R"([{"id": 9, "content": "a"}])"));  // a has the id 0
  expect_invalid(added(R"([{"id": 0, "content": "x"}])"));  // 0 is a
  expect_invalid(added(R"([{"id": 9, "content": "x"}, {"id": 9, "content": "y"}])"));
  expect_invalid(added(R"([{"id": 9, "content": "x"}, {"id": 10, "content": "x"}])"));
}

TEST(BadFileTest, Components) {
  const auto file = [](std::string_view members) { return str("{", members, ",", kModel, "}"); };
  expect_invalid(file(R"("normalizer": {})"));
  expect_invalid(file(R"("normalizer": [])"));
  expect_invalid(file(R"("normalizer": {"type": "Sequence"})"));
  expect_invalid(file(R"("normalizer": {"type": "Replace", "content": "x"})"));
  expect_invalid(file(R"("normalizer": {"type": "NFC"}, "normalizer": {"type": "NFC"})"));
  expect_invalid(file(
      R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated"})"));
  expect_invalid(file(R"("pre_tokenizer": {"type": "Metaspace", "replacement": "__"})"));
  expect_invalid(file(R"("decoder": {"type": "Strip", "content": "_", "start": -1, "stop": 0})"));
  expect_invalid(file(R"("post_processor": {"type": "TemplateProcessing"})"));
  expect_invalid(file(
      R"("post_processor": {"type": "TemplateProcessing", "special_tokens": {"B": {"ids": [99]}},
    "single": [{"SpecialToken": {"id": "B"}}]})"));
  expect_invalid(file(R"("post_processor": {"type": "TemplateProcessing", "special_tokens": {},
    "single": [{"Sequence": {"id": "B"}}]})"));
}

TEST(BadFileTest, UnknownComponentsAreNamedWithTheKnownOnes) {
  const auto check = [](std::string_view members, std::string_view type, std::string_view known) {
    const Failure failure = failure_of(str("{", members, ",", kModel, "}"));
    EXPECT_EQ(failure.code, ErrorCode::kUnsupported);
    EXPECT_THAT(failure.message, HasSubstr(std::string(type)));
    EXPECT_THAT(failure.message, HasSubstr(std::string(known)));
  };
  check(R"("normalizer": {"type": "Precompiled"})", "'Precompiled'", "NFKD");
  check(R"("pre_tokenizer": {"type": "BertPreTokenizer"})", "'BertPreTokenizer'", "Metaspace");
  check(R"("decoder": {"type": "CTC"})", "'CTC'", "ByteFallback");
  check(R"("post_processor": {"type": "BertProcessing"})", "'BertProcessing'",
        "TemplateProcessing");
}

TEST(BadFileTest, OtherModelsAreUnsupportedAlsoWithoutType) {
  EXPECT_EQ(failure_of(R"({"model": {"type": "Unigram", "vocab": [["a", [0]]]}})").code,
            ErrorCode::kUnsupported);
  EXPECT_THAT(failure_of(R"({"model": {"vocab": [["a", 0.5]], "unk_id": 0}})").message,
              HasSubstr("Unigram"));
  EXPECT_THAT(failure_of(R"({"model": {"vocab": {}, "max_input_chars_per_word": 9}})").message,
              HasSubstr("WordPiece"));
  EXPECT_THAT(failure_of(R"({"model": {"vocab": {}}})").message, HasSubstr("WordLevel"));
}

TEST(BadFileTest, RandomTokensAreRefused) {
  EXPECT_EQ(
      failure_of(R"({"model": {"type": "BPE", "vocab": {}, "merges": [], "dropout": 0.1}})").code,
      ErrorCode::kUnsupported);
}

TEST(BadFileTest, MissingFile) {
  try {
    (void)Tokenizer::load("no/such/tokenizer.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  }
}

}  // namespace
}  // namespace partita::text
