// SPDX-License-Identifier: Apache-2.0
#include "planner/stages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace partita::planner {
namespace {

struct Chain {
  std::vector<NodeLoad> loads;
  std::vector<int64_t> positions;
  std::vector<double> crossing;

  explicit Chain(std::vector<NodeLoad> given) : loads(std::move(given)) {
    for (size_t i = 1; i < loads.size(); ++i) {
      positions.push_back(static_cast<int64_t>(i));
      crossing.push_back(0);
    }
  }

  [[nodiscard]] BalanceRequest request(int stages, int64_t bytes = INT64_MAX) const {
    return {.loads = loads,
            .positions = positions,
            .crossing_seconds = crossing,
            .stages = stages,
            .stage_bytes = bytes};
  }
};

TEST(BalanceStages, EqualLoadsAreCutEvenly) {
  const Chain chain(std::vector<NodeLoad>(6, {1.0, 1}));
  EXPECT_EQ(balance_stages(chain.request(3)), (std::vector<Range>{{0, 2}, {2, 4}, {4, 6}}));
}

TEST(BalanceStages, HeavyNodeGetsAStageOfItsOwn) {
  const Chain chain({{1, 0}, {1, 0}, {9, 0}, {1, 0}, {1, 0}});
  EXPECT_EQ(balance_stages(chain.request(3)), (std::vector<Range>{{0, 2}, {2, 3}, {3, 5}}));
}

TEST(BalanceStages, BytesMoveTheCut) {
  const Chain chain({{1, 8}, {1, 1}, {1, 1}, {1, 1}});
  EXPECT_EQ(balance_stages(chain.request(2, 8)), (std::vector<Range>{{0, 1}, {1, 4}}));
  EXPECT_EQ(balance_stages(chain.request(2, 7)), std::nullopt);
}

TEST(BalanceStages, MoreStagesThanNodesIsNothing) {
  EXPECT_EQ(balance_stages(Chain({{1, 0}, {1, 0}}).request(3)), std::nullopt);
}

// Against all ways to place the cuts.
double best_by_enumeration(const Chain& chain, int stages, int64_t bytes, size_t begin) {
  double best = std::numeric_limits<double>::infinity();
  double seconds = 0;
  int64_t used = 0;
  for (size_t end = begin + 1; end <= chain.loads.size(); ++end) {
    seconds += chain.loads[end - 1].seconds;
    used += chain.loads[end - 1].bytes;
    if (used > bytes) break;
    const bool is_last = end == chain.loads.size();
    if (is_last != (stages == 1)) continue;
    const double own = seconds + (is_last ? 0 : chain.crossing[end - 1]);
    const double rest = is_last ? 0 : best_by_enumeration(chain, stages - 1, bytes, end);
    best = std::min(best, std::max(own, rest));
  }
  return best;
}

TEST(BalanceStages, EqualsEnumerationOnRandomChains) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<NodeLoad> loads(2 + random() % 7);
    for (NodeLoad& load : loads)
      load = {static_cast<double>(random() % 9), static_cast<int64_t>(random() % 5)};
    Chain chain(loads);
    for (double& seconds : chain.crossing) seconds = static_cast<double>(random() % 3);
    const int stages = 1 + static_cast<int>(random() % 4);
    const auto bytes = static_cast<int64_t>(4 + random() % 10);
    const double expected = best_by_enumeration(chain, stages, bytes, 0);
    const auto found = balance_stages(chain.request(stages, bytes));
    ASSERT_EQ(found.has_value(), expected < 1e9) << trial;
    if (!found) continue;
    double slowest = 0;
    for (const Range& stage : *found) {
      double seconds = 0;
      for (int64_t i = stage.begin; i < stage.end; ++i)
        seconds += loads[static_cast<size_t>(i)].seconds;
      const bool is_last = stage.end == static_cast<int64_t>(loads.size());
      slowest = std::max(
          slowest, seconds + (is_last ? 0 : chain.crossing[static_cast<size_t>(stage.end) - 1]));
    }
    EXPECT_EQ(slowest, expected) << trial;
  }
}

}  // namespace
}  // namespace partita::planner
