// SPDX-License-Identifier: Apache-2.0
// Philox against the known-answer vectors published with the paper (Random123, kat_vectors).
#include "support/philox.h"

#include <gtest/gtest.h>

namespace partita {
namespace {

using Words = std::array<uint32_t, 4>;

TEST(Philox, MatchesThePublishedVectors) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, UniformDependsOnSeedAndIndexOnly) {
  EXPECT_EQ(uniform_at(7, 3), uniform_at(7, 3));
  EXPECT_NE(uniform_at(7, 3), uniform_at(7, 4));
  EXPECT_NE(uniform_at(7, 3), uniform_at(8, 3));
}

TEST(Philox, UniformFillsTheUnitIntervalEvenly) {
  constexpr int kDraws = 10000;
  double sum = 0;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const double value = uniform_at(1, i);
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  // The mean of 10000 draws has a standard deviation of 0.0029; five of them is a safe bound.
  EXPECT_NEAR(sum / kDraws, 0.5, 0.0145);
}

}  // namespace
}  // namespace partita
