// SPDX-License-Identifier: Apache-2.0
// Splitting at matches: all behaviors, also inverted; expected values are those of the reference.
#include "text/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error.h"

namespace partita::text {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> split(std::string_view behavior,
                               bool invert,
                               std::string_view text = "-a--b-") {
  const auto delimiters = Pattern::literal("-", "test").find_all(text);
  std::vector<std::string> pieces;
  for (const ByteSpan& span :
       split_at(delimiters, text.size(), split_behavior_from(behavior, "test"), invert)) {
    pieces.emplace_back(text.substr(span.begin, span.end - span.begin));
  }
  return pieces;
}

TEST(SplitTest, Removed) {
  EXPECT_THAT(split("Removed", false), ElementsAre("a", "b"));
  EXPECT_THAT(split("Removed", true), ElementsAre("-", "-", "-", "-"));
  EXPECT_THAT(split("Removed", false, "--"), IsEmpty());
}

TEST(SplitTest, Isolated) {
  EXPECT_THAT(split("Isolated", false), ElementsAre("-", "a", "-", "-", "b", "-"));
  EXPECT_THAT(split("Isolated", true), ElementsAre("-", "a", "-", "-", "b", "-"));
}

TEST(SplitTest, MergedWithPrevious) {
  EXPECT_THAT(split("MergedWithPrevious", false), ElementsAre("-", "a-", "-", "b-"));
  EXPECT_THAT(split("MergedWithPrevious", true), ElementsAre("-a", "-", "-b", "-"));
}

TEST(SplitTest, MergedWithNext) {
  EXPECT_THAT(split("MergedWithNext", false), ElementsAre("-a", "-", "-b", "-"));
  EXPECT_THAT(split("MergedWithNext", true), ElementsAre("-", "a-", "-", "b-"));
}

TEST(SplitTest, Contiguous) {
  EXPECT_THAT(split("Contiguous", false), ElementsAre("-", "a", "--", "b", "-"));
  EXPECT_THAT(split("Contiguous", true), ElementsAre("-", "a", "--", "b", "-"));
}

TEST(SplitTest, UnknownBehaviorIsRefused) { EXPECT_THROW((void)split("Sideways", false), Error); }

TEST(PatternTest, ReadsBothKinds) {
  EXPECT_EQ(
      Pattern::from_json(parse_json(R"({"String": "."})", "test"), "test").replace_all("a.b", "_"),
      "a_b");
  EXPECT_EQ(
      Pattern::from_json(parse_json(R"({"Regex": "."})", "test"), "test").replace_all("a.", "_"),
      "__");
}

TEST(PatternTest, RefusesOtherKinds) {
  for (const char* text : {"null", "{}", R"({"Regex": 1})", R"({"Glob": "*"})", R"("x")"}) {
    EXPECT_THROW((void)Pattern::from_json(parse_json(text, "test"), "test"), Error) << text;
  }
}

TEST(PatternTest, EmptyLiteralMatchesBetweenCharacters) {
  EXPECT_EQ(Pattern::literal("", "test").replace_all("ab", "_"), "_a_b_");
}

}  // namespace
}  // namespace partita::text
