// SPDX-License-Identifier: Apache-2.0
// The dialect of tokenizer.json: expected values were seen from the reference implementation
// (Oniguruma).
#include "text/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "support/error.h"
#include "text/regex_dialect.h"

namespace partita::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> matches(std::string_view pattern, std::string_view text) {
  std::vector<std::string> found;
  for (const ByteSpan& span : Regex(pattern, "test").find_all(text)) {
    found.emplace_back(text.substr(span.begin, span.end - span.begin));
  }
  return found;
}

ErrorCode code_of(std::string_view pattern) {
  try {
    (void)Regex(pattern, "test.json");
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("test.json"));
    return error.code();
  }
  ADD_FAILURE() << pattern << " compiled";
  return ErrorCode::kInternal;
}

TEST(RegexTest, FindsAllMatchesInOrder) {
  EXPECT_THAT(matches(" ?[a-z]+", "ab cd"), ElementsAre("ab", " cd"));
  EXPECT_THAT(matches("z", "ab cd"), IsEmpty());
}

TEST(RegexTest, EmptyMatchIsNotReportedBehindAMatch) {
  const std::vector<ByteSpan> expected = {{0, 0}, {1, 1}, {2, 4}, {5, 5}};
  EXPECT_EQ(Regex("x*", "test").find_all("abxxc"), expected);
}

TEST(RegexTest, CountedRepeatWithPlusIsNotPossessive) {
  EXPECT_THAT(matches(R"(\p{N}{1,3}+)", "1234567"), ElementsAre("1234567"));
  EXPECT_THAT(matches(R"(\p{N}{1,3})", "1234567"), ElementsAre("123", "456", "7"));
  EXPECT_THAT(matches("(?:ab){2}+c", "ababababc"), ElementsAre("ababababc"));
  EXPECT_THAT(matches("a++b", "aaab"), ElementsAre("aaab"));
  EXPECT_THAT(matches("a{,2}b", "aaab"), ElementsAre("aab"));
  EXPECT_THAT(matches("a{x", "a{x"), ElementsAre("a{x"));
}

TEST(RegexTest, NestedClassIsAUnion) {
  EXPECT_THAT(matches("[a[bc]d]+", "abcdx"), ElementsAre("abcd"));
  EXPECT_THAT(matches(R"([^\s[abc]]+)", "abcdx y"), ElementsAre("dx", "y"));
  EXPECT_THAT(matches("[]a]+", "]a"), ElementsAre("]a"));
}

TEST(RegexTest, SpaceIsThePropertyWhiteSpace) {
  EXPECT_THAT(matches(R"(\s)", "a\u180eb\u0085c\u200bd\u3000"), ElementsAre("\u0085", "\u3000"));
  EXPECT_THAT(matches(R"([\S]+)", "ab\u00a0\u180e"), ElementsAre("ab", "\u180e"));
}

TEST(RegexTest, WordHoldsMarksAndConnectors) {
  EXPECT_THAT(matches(R"(\w+)", "a\u0301_b\u200dc"), ElementsAre("a\u0301_b", "c"));
  EXPECT_THAT(matches(R"([^\w\s]+)", "a--\u00b2 ++"), ElementsAre("--\u00b2", "++"));
}

TEST(RegexTest, AnchorsWorkOnLinesAndTheDotStopsOnlyAtNewline) {
  EXPECT_THAT(matches("^b", "a\nb\nb"), ElementsAre("b", "b"));
  EXPECT_THAT(matches("a.b", "a\rb a\nb"), ElementsAre("a\rb"));
  EXPECT_THAT(matches("(?m)a.b", "a\rb a\nb"), ElementsAre("a\rb", "a\nb"));
}

TEST(RegexTest, EscapesOfTheOtherDialect) {
  EXPECT_THAT(matches(R"(\h+)", "xabc"), ElementsAre("abc"));
  EXPECT_THAT(matches(R"(\u0061+|\x{62})", "aab"), ElementsAre("aa", "b"));
  EXPECT_THAT(matches(R"(\p{Punct}+|\p{Letter}+)", "ab!$"), ElementsAre("ab", "!"));
  EXPECT_THAT(matches("[[:punct:]]+", "a!$+b"), ElementsAre("!$+"));
}

TEST(RegexTest, LookbehindSeesTheTextBeforeTheMatch) {
  EXPECT_THAT(matches("(?<=a)b", "ab b"), ElementsAre("b"));
}

TEST(RegexTest, RefusesWhatItCannotTranslate) {
  EXPECT_EQ(code_of("[a-z&&[^b]]"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of("[a[^b]]"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of("(?~a)"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of("(*NO_JIT)a"), ErrorCode::kUnsupported);
}

TEST(RegexTest, RefusesMalformedPatterns) {
  EXPECT_EQ(code_of("[a"), ErrorCode::kInvalidFile);
  EXPECT_EQ(code_of("(a"), ErrorCode::kInvalidFile);
  EXPECT_EQ(code_of("*a"), ErrorCode::kInvalidFile);
  EXPECT_EQ(code_of(R"(\p{NoSuch})"), ErrorCode::kInvalidFile);
  EXPECT_EQ(code_of(R"(a\)"), ErrorCode::kInvalidFile);
  EXPECT_EQ(code_of(std::string(100000, 'a')), ErrorCode::kInvalidFile);
}

TEST(RegexTest, CatastrophicPatternIsAnError) {
  const Regex regex("(?:a|aa)+[bc]|(?:a|aa)+$", "test");
  EXPECT_THROW((void)regex.find_all(std::string(4000, 'a') + "d"), Error);
}

TEST(RegexTest, LongRunsOfSpacesWork) {
  const std::string spaces(1 << 20, ' ');
  EXPECT_EQ(Regex(R"(\s*[\r\n]+|\s+(?!\S)|\s+)", "test").find_all(spaces).size(), 1u);
}

}  // namespace
}  // namespace partita::text
