// SPDX-License-Identifier: Apache-2.0
// What bench_collectives() reports; not how fast it is.
#include "partita/collective_bench.h"

#include <gtest/gtest.h>

#include "support/error.h"

namespace partita {
namespace {

TEST(CollectiveBench, TimesEveryCollectiveOfForkedRanks) {
  const CollectiveBenchResult result =
      bench_collectives({.ranks = {2, 3}, .bytes = {1024, 16384}, .rounds = 2});
  ASSERT_EQ(result.lines.size(), 4);
  for (const CollectiveBenchLine& line : result.lines) {
    // Rows of 2048 f32 are 8 KiB.
    ASSERT_EQ(line.times.size(), line.bytes == 16384 ? 7 : 5);
    for (const CollectiveTime& time : line.times) EXPECT_GT(time.seconds, 0) << time.name;
    EXPECT_FALSE(line.placement_before.empty());
  }
  EXPECT_EQ(result.lines[0].times[0].name, "all_reduce");
  EXPECT_EQ(result.lines[1].times[6].name, "all_reduce_add_rms_norm");
  EXPECT_EQ(result.lines[2].ranks, 3);
}

TEST(CollectiveBench, RefusesNothingToMeasure) {
  EXPECT_THROW((void)bench_collectives({.ranks = {1}}), Error);
  EXPECT_THROW((void)bench_collectives({.ranks = {100000}}), Error);
  EXPECT_THROW((void)bench_collectives({.ranks = {2}, .bytes = {6}}), Error);
  EXPECT_THROW((void)bench_collectives({.ranks = {2}, .bytes = {int64_t{1} << 40}}), Error);
  EXPECT_THROW((void)bench_collectives({.ranks = {2}, .bytes = {8}, .rounds = 0}), Error);
}

}  // namespace
}  // namespace partita
