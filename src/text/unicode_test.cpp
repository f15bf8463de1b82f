// SPDX-License-Identifier: Apache-2.0
// UTF-8 repair, properties, normal forms and the byte-level alphabet.
#include "text/unicode.h"

#include <gtest/gtest.h>

#include "text/byte_alphabet.h"

namespace partita::text {
namespace {

TEST(UnicodeTest, EveryScalarValueSurvivesTheRoundTrip) {
  for (char32_t expected = 0; expected < 0x110000; ++expected) {
    if (expected >= 0xD800 && expected < 0xE000) continue;
    std::string text;
    append_utf8(text, expected);
    size_t at = 0;
    ASSERT_EQ(next_code_point(text, at), expected);
    ASSERT_EQ(at, text.size());
    ASSERT_EQ(replace_invalid_utf8(text), text);
  }
}

TEST(UnicodeTest, EachMaximalBrokenSequenceBecomesOneReplacement) {
  const std::string mark(kReplacementUtf8);
  EXPECT_EQ(replace_invalid_utf8("a\xFF\x62"), "a" + mark + "b");
  EXPECT_EQ(replace_invalid_utf8("\xE2\x82"), mark);  // cut short
  EXPECT_EQ(replace_invalid_utf8("\xE2\x82(\x80"), mark + "(" + mark);
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF"), mark + mark);                        // overlong
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80"), mark + mark + mark);             // surrogate
  EXPECT_EQ(replace_invalid_utf8("\xF4\x90\x80\x80"), mark + mark + mark + mark);  // above U+10FFFF
  EXPECT_EQ(replace_invalid_utf8("\xF0\x9F\x98"), mark);
}

TEST(UnicodeTest, IncompleteTailIsOnlyWhatMayStillBecomeACharacter) {
  EXPECT_EQ(incomplete_utf8_tail(""), 0u);
  EXPECT_EQ(incomplete_utf8_tail("abc"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("a\xC3"), 1u);
  EXPECT_EQ(incomplete_utf8_tail("a\xE2\x82"), 2u);
  EXPECT_EQ(incomplete_utf8_tail("a\xF0\x9F\x98"), 3u);
  EXPECT_EQ(incomplete_utf8_tail("\xF0\x9F\x98\x80"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("\xED\xA0"), 0u);  // would be a surrogate: broken already
  EXPECT_EQ(incomplete_utf8_tail("a\x80"), 0u);
}

TEST(UnicodeTest, Properties) {
  EXPECT_TRUE(is_white_space(0x85));
  EXPECT_FALSE(is_white_space(0x200B));
  EXPECT_TRUE(is_numeric(0xB2));     // superscript two, No
  EXPECT_TRUE(is_numeric(0x2160));   // roman one, Nl
  EXPECT_TRUE(is_punctuation('$'));  // ASCII symbols count
  EXPECT_FALSE(is_punctuation(0xB1));
  EXPECT_TRUE(is_word(0x24B6));  // circled A is Alphabetic
  EXPECT_TRUE(is_word(0x200D));  // zero width joiner
  EXPECT_FALSE(is_word('-'));
}

TEST(UnicodeTest, LowerCaseIsPerCharacter) {
  EXPECT_EQ(to_lower("ABC \u0130 \u03A3"), "abc i\u0307 \u03C3");
}

TEST(UnicodeTest, NormalForms) {
  EXPECT_EQ(normalize("e\u0301", NormalForm::kNfc), "\u00E9");
  EXPECT_EQ(normalize("\u00E9", NormalForm::kNfd), "e\u0301");
  EXPECT_EQ(normalize("\uFB01", NormalForm::kNfkc), "fi");
  EXPECT_EQ(normalize("\uFB01\u00E9", NormalForm::kNfkd), "fie\u0301");
  EXPECT_EQ(normalize("", NormalForm::kNfc), "");
}

TEST(ByteAlphabetTest, EveryByteSurvivesTheRoundTrip) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  EXPECT_EQ(characters_to_bytes(bytes_to_characters(bytes)), bytes);
}

TEST(ByteAlphabetTest, KnownStandIns) {
  EXPECT_EQ(bytes_to_characters(" \n~"), "\u0120\u010A~");
  EXPECT_EQ(characters_to_bytes("a b"), std::nullopt);  // a real space stands for no byte
  EXPECT_EQ(characters_to_bytes("\u4E2D"), std::nullopt);
}

}  // namespace
}  // namespace partita::text
