// SPDX-License-Identifier: Apache-2.0
// Incremental decoding: nothing early, nothing half, nothing lost.
#include "text/detokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "support/error.h"
#include "text/byte_alphabet.h"
#include "text/unicode.h"

namespace partita::text {
namespace {

using testing::ElementsAre;

constexpr std::string_view kByteLevel = R"({"type": "ByteLevel"})";
constexpr std::string_view kLlama = R"({"type": "Sequence", "decoders": [
  {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"},
  {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})";
constexpr std::string_view kMetaspace =
    R"({"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always"})";
// No real file looks like this; it makes stages work on parts of joined tokens.
constexpr std::string_view kMixed = R"({"type": "Sequence", "decoders": [{"type": "ByteLevel"},
  {"type": "Strip", "content": "a", "start": 2, "stop": 2},
  {"type": "Replace", "pattern": {"Regex": "b+"}, "content": "<>"}]})";

// 0..255 are the bytes in byte-level spelling, 256..511 as <0xNN>, then some words and a special
// token.
std::unique_ptr<const Tokenizer> make_tokenizer(std::string_view decoder) {
  Json vocab = Json::object();
  const auto add = [&](const std::string& token) { vocab.emplace(token, vocab.size()); };
  for (int byte = 0; byte < 256; ++byte)
    add(bytes_to_characters(std::string(1, static_cast<char>(byte))));
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (size_t byte = 0; byte < 256; ++byte)
    add({'<', '0', 'x', kHex[byte / 16], kHex[byte % 16], '>'});
  for (const char* word :
       {"\u2581", "\u2581\u2581", "\u2581hello", "wo\u2581rld", "\u4E2D\u6587", "a\u0120b"}) {
    add(word);
  }
  Json file;
  file["model"] = {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}};
  file["added_tokens"] = {{{"id", vocab.size()}, {"content", "<|end|>"}, {"special", true}}};
  file["decoder"] = decoder.empty() ? Json() : parse_json(decoder, "test");
  return Tokenizer::parse(file.dump(), "test.json");
}

std::vector<std::string> pushes(const Tokenizer& tokenizer,
                                const std::vector<std::string>& tokens) {
  Detokenizer detokenizer(tokenizer);
  std::vector<std::string> texts;
  for (const std::string& token : tokens)
    texts.push_back(detokenizer.push(tokenizer.token_to_id(token).value()));
  texts.push_back(detokenizer.finish());
  return texts;
}

TEST(DetokenizerTest, HoldsBackIncompleteCharacters) {
  const auto tokenizer = make_tokenizer(kByteLevel);
  const auto spell = [](const char* byte) { return bytes_to_characters(byte); };
  EXPECT_THAT(
      pushes(*tokenizer, {"a", spell("\xF0"), spell("\x9F"), spell("\x98"), spell("\x80"), "b"}),
      ElementsAre("a", "", "", "", "\U0001F600", "b", ""));
}

TEST(DetokenizerTest, ReplacesABrokenCharacterAsSoonAsItIsCertain) {
  const auto tokenizer = make_tokenizer(kByteLevel);
  const auto spell = [](const char* byte) { return bytes_to_characters(byte); };
  EXPECT_THAT(pushes(*tokenizer, {spell("\xE2"), "a", spell("\xE2"), spell("\x82")}),
              ElementsAre("", "\uFFFDa", "", "", "\uFFFD"));
}

TEST(DetokenizerTest, ByteRunIsHeldUntilItEnds) {
  const auto tokenizer = make_tokenizer(kLlama);
  EXPECT_THAT(pushes(*tokenizer, {"\u2581hello", "<0xC3>", "<0xA9>", "\u2581", "<0xFF>", "<0x41>"}),
              ElementsAre("hello", "", "", "\u00E9 ", "", "", "\uFFFD\uFFFD"));
}

TEST(DetokenizerTest, OnlyTheFirstSpaceOfTheSequenceIsStripped) {
  const auto tokenizer = make_tokenizer(kLlama);
  EXPECT_THAT(pushes(*tokenizer, {"\u2581\u2581", "\u2581hello"}), ElementsAre(" ", " hello", ""));
}

TEST(DetokenizerTest, MetaspaceDropsTheMarksOfTheFirstToken) {
  const auto tokenizer = make_tokenizer(kMetaspace);
  EXPECT_THAT(pushes(*tokenizer, {"\u2581hello", "\u2581hello", "wo\u2581rld"}),
              ElementsAre("hello", " hello", "wo rld", ""));
}

TEST(DetokenizerTest, SkipsSpecialTokensWhenAsked) {
  const auto tokenizer = make_tokenizer(kByteLevel);
  const int32_t end = tokenizer->token_to_id("<|end|>").value();
  Detokenizer showing(*tokenizer);
  Detokenizer skipping(*tokenizer, true);
  EXPECT_EQ(showing.push(end), "<|end|>");
  EXPECT_EQ(skipping.push(end), "");
}

TEST(DetokenizerTest, UnknownIdsGiveNothing) {
  const auto tokenizer = make_tokenizer(kByteLevel);
  Detokenizer detokenizer(*tokenizer);
  EXPECT_EQ(detokenizer.push(-1), "");
  EXPECT_EQ(detokenizer.push(1 << 30), "");
}

// What decoding the byte-level way means, written down directly.
std::string byte_level_reference(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  std::string bytes;
  for (const int32_t id : ids) {
    const std::string token = tokenizer.id_to_token(id);
    bytes += characters_to_bytes(token).value_or(token);
  }
  return replace_invalid_utf8(bytes);
}

class RandomIdsTest : public testing::TestWithParam<std::string_view> {};

TEST_P(RandomIdsTest, PushesAreWholeCharactersAndAddUpToDecode) {
  const auto tokenizer = make_tokenizer(GetParam());
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<int32_t> ids(random() % 40);
    // Ids slightly outside of the vocabulary are among them.
    for (int32_t& id : ids)
      id = static_cast<int32_t>(random() % static_cast<unsigned>(tokenizer->vocab_size() + 2)) - 1;
    Detokenizer detokenizer(*tokenizer);
    std::string joined;
    const auto append = [&](const std::string& text) {
      EXPECT_EQ(replace_invalid_utf8(text), text);
      joined += text;
    };
    for (const int32_t id : ids) append(detokenizer.push(id));
    append(detokenizer.finish());
    ASSERT_EQ(joined, tokenizer->decode(ids));
    if (GetParam() == kByteLevel) {
      ASSERT_EQ(joined, byte_level_reference(*tokenizer, ids));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Decoders,
                         RandomIdsTest,
                         testing::Values("", kByteLevel, kLlama, kMetaspace, kMixed));

TEST(DecoderTest, StagesWorkOnPartsOfAJoinedToken) {
  const auto tokenizer = make_tokenizer(kMixed);
  EXPECT_THAT(pushes(*tokenizer, {"a", "a", "a", "b", "b", "c", "a", "a", "a"}),
              ElementsAre("", "", "", "", "", "", "", "", "", "a<>ca"));
}

}  // namespace
}  // namespace partita::text
