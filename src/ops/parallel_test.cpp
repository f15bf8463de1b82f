// SPDX-License-Identifier: Apache-2.0
// The team of threads: every part once, contiguous ranges, serial where it does not pay.
#include "ops/parallel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <set>
#include <vector>

namespace partita::ops {
namespace {

using ::testing::Each;
using ::testing::SizeIs;

// Gives the calling thread a team of that size while it lives.
class Team {
 public:
  explicit Team(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~Team() { omp_set_num_threads(before_); }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

 private:
  int before_;
};

TEST(ParallelFor, RunsEveryPartOnceWhateverTheTeam) {
  for (const int threads : {1, 2, 3, 8}) {
    const Team team(threads);
    for (const int64_t parts : {0, 1, 2, 7, 100}) {
      std::vector<int> runs(static_cast<size_t>(parts), 0);
      parallel_for(parts, [&](int64_t part) { ++runs[static_cast<size_t>(part)]; });
      EXPECT_THAT(runs, Each(1)) << parts << " parts, " << threads << " threads";
    }
  }
}

TEST(ParallelFor, GivesAThreadContiguousParts) {
  const Team team(3);
  std::vector<int> thread_of(10);
  parallel_for(10,
               [&](int64_t part) { thread_of[static_cast<size_t>(part)] = omp_get_thread_num(); });
  EXPECT_TRUE(std::is_sorted(thread_of.begin(), thread_of.end()));
  EXPECT_THAT(std::set<int>(thread_of.begin(), thread_of.end()), SizeIs(3));
}

TEST(ParallelFor, IsSerialInsideOfALoop) {
  const Team team(2);
  std::vector<int> sizes(2, 0);
  parallel_for(2, [&](int64_t part) { sizes[static_cast<size_t>(part)] = team_size(); });
  EXPECT_THAT(sizes, Each(1));
}

TEST(Split, CoversTheItemsInOrderInMultiples) {
  for (const int64_t items : {1, 15, 16, 17, 1000}) {
    const Split split{.items = items, .bytes_per_item = 1 << 20, .multiple = 16};
    for (const int64_t threads : {1, 2, 5, 64}) {
      const int64_t ranges = ranges_of(split, threads);
      int64_t next = 0;
      for (int64_t i = 0; i < ranges; ++i) {
        const Range range = split_range(split, i, ranges);
        EXPECT_EQ(range.begin, next);
        EXPECT_EQ(range.begin % 16, 0);
        EXPECT_LT(range.begin, range.end);
        next = range.end;
      }
      EXPECT_EQ(next, items);
      EXPECT_LE(ranges, threads);
    }
  }
}

TEST(Split, GivesEachThreadAtLeastTheLeastBytes) {
  // 3 MiB and a bit: three ranges at most, however large the team.
  EXPECT_EQ(ranges_of({.items = 3100, .bytes_per_item = 1024}, 8), 3);
  EXPECT_EQ(ranges_of({.items = 100, .bytes_per_item = 1024}, 8), 1);
  EXPECT_EQ(ranges_of({.items = 0, .bytes_per_item = 1024}, 8), 0);
}

}  // namespace
}  // namespace partita::ops
