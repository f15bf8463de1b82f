// SPDX-License-Identifier: Apache-2.0
#include "engine/stop_strings.h"

#include <gtest/gtest.h>

namespace partita::engine {
namespace {

TEST(StopStrings, WithoutStopsTextPassesAtOnce) {
  StopStrings stops({});
  EXPECT_EQ(stops.push("abc"), "abc");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, HoldsBackAPossibleBeginningAndReleasesItWhenItIsNone) {
  StopStrings stops({"END"});
  EXPECT_EQ(stops.push("the E"), "the ");
  EXPECT_EQ(stops.push("N"), "");
  EXPECT_EQ(stops.push("!"), "EN!");
  EXPECT_FALSE(stops.stopped());
}

TEST(StopStrings, StopsBeforeAStringThatSpansPieces) {
  StopStrings stops({"\n\n", "END"});
  EXPECT_EQ(stops.push("one\n"), "one");
  EXPECT_EQ(stops.push("\ntwo"), "");
  EXPECT_TRUE(stops.stopped());
  EXPECT_EQ(stops.push("more"), "");
}

TEST(StopStrings, TheEarliestOfSeveralWins) {
  StopStrings stops({"c", "ab"});
  EXPECT_EQ(stops.push("xabc"), "x");
  EXPECT_TRUE(stops.stopped());
}

TEST(StopStrings, OverlappingBeginningsAreFound) {
  StopStrings stops({"aab"});
  EXPECT_EQ(stops.push("aa"), "");
  EXPECT_EQ(stops.push("a"), "a");
  EXPECT_EQ(stops.push("b"), "");
  EXPECT_TRUE(stops.stopped());
}

TEST(StopStrings, FinishGivesTheHeldText) {
  StopStrings stops({"END"});
  EXPECT_EQ(stops.push("EN"), "");
  EXPECT_EQ(stops.finish(), "EN");
}

}  // namespace
}  // namespace partita::engine
