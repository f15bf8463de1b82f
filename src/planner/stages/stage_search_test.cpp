// SPDX-License-Identifier: Apache-2.0
#include "planner/stages/stage_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <string>

#include "support/error.h"

namespace partita::planner {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

struct Load {
  double seconds = 0;
  int64_t bytes = 0;
};

// The sum of the loads, divided by the speed of the devices.
class LoadPrice : public StagePrice {
 public:
  LoadPrice(std::vector<Load> loads, double speed, int64_t limit)
      : loads_(std::move(loads)), speed_(speed), limit_(limit) {}
  [[nodiscard]] double seconds(Range nodes) const override {
    Load sum;
    for (int64_t i = nodes.begin; i < nodes.end; ++i) {
      sum.seconds += loads_[static_cast<size_t>(i)].seconds;
      sum.bytes += loads_[static_cast<size_t>(i)].bytes;
    }
    return sum.bytes > limit_ ? kNever : sum.seconds / speed_;
  }

 private:
  std::vector<Load> loads_;
  double speed_;
  int64_t limit_;
};

// Any block of consecutive devices may be a stage; its speed is the sum of its devices'.
struct Case {
  std::vector<int64_t> borders;
  std::vector<std::unique_ptr<LoadPrice>> prices;
  StageChoices choices;

  Case(const std::vector<Load>& loads, const std::vector<double>& speeds, int64_t limit) {
    borders.resize(loads.size() + 1);
    std::iota(borders.begin(), borders.end(), 0);
    choices.borders = borders;
    const int devices = static_cast<int>(speeds.size());
    for (int first = 0; first < devices; ++first) {
      choices.handover_seconds.emplace_back(borders.size(), 0.0);
      choices.blocks.emplace_back();
      double speed = 0;
      for (int end = first + 1; end <= devices; ++end) {
        speed += speeds[static_cast<size_t>(end - 1)];
        prices.push_back(std::make_unique<LoadPrice>(loads, speed, limit * (end - first)));
        choices.blocks.back().push_back({end, prices.back().get(), 0});
      }
    }
  }

  // One device per stage.
  void keep_single_devices() {
    for (auto& blocks : choices.blocks) blocks.resize(1);
  }
};

std::vector<Range> nodes_of(const std::optional<ChosenStages>& chosen) {
  std::vector<Range> nodes;
  if (!chosen) return nodes;
  for (const ChosenStage& stage : chosen->stages) nodes.push_back(stage.nodes);
  return nodes;
}

std::vector<Range> cut(const std::vector<Load>& loads,
                       const std::vector<double>& speeds,
                       StageObjective objective,
                       int64_t limit = INT64_MAX / 64) {
  Case given(loads, speeds, limit);
  given.keep_single_devices();
  return nodes_of(search_stages(given.choices, objective));
}

TEST(SearchStages, EqualLoadsAreCutEvenlyUnderBothObjectives) {
  const std::vector<Load> loads(6, {1.0, 1});
  const std::vector<Range> even = {{0, 2}, {2, 4}, {4, 6}};
  EXPECT_EQ(cut(loads, {1, 1, 1}, StageObjective::kSlowest), even);
  EXPECT_EQ(cut(loads, {1, 1, 1}, StageObjective::kLatency), even);
}

TEST(SearchStages, HeavyNodeGetsAStageOfItsOwn) {
  EXPECT_EQ(cut({{1, 0}, {1, 0}, {9, 0}, {1, 0}, {1, 0}}, {1, 1, 1}, StageObjective::kSlowest),
            (std::vector<Range>{{0, 2}, {2, 3}, {3, 5}}));
}

TEST(SearchStages, BytesMoveTheCutOrLeaveNone) {
  const std::vector<Load> loads = {{1, 8}, {1, 1}, {1, 1}, {1, 1}};
  EXPECT_EQ(cut(loads, {1, 1}, StageObjective::kSlowest, 8), (std::vector<Range>{{0, 1}, {1, 4}}));
  EXPECT_TRUE(cut(loads, {1, 1}, StageObjective::kSlowest, 7).empty());
}

TEST(SearchStages, MoreStagesThanNodesIsNothing) {
  EXPECT_TRUE(cut({{1, 0}, {1, 0}}, {1, 1, 1}, StageObjective::kLatency).empty());
}

// Devices 2:1 in speed: balance gives the fast one two thirds, latency all but the least.
TEST(SearchStages, FastDevicesGetMore) {
  const std::vector<Load> loads(9, {1.0, 1});
  EXPECT_EQ(cut(loads, {2, 1}, StageObjective::kSlowest), (std::vector<Range>{{0, 6}, {6, 9}}));
  EXPECT_EQ(cut(loads, {1, 2}, StageObjective::kSlowest), (std::vector<Range>{{0, 3}, {3, 9}}));
  EXPECT_EQ(cut(loads, {1, 2}, StageObjective::kLatency), (std::vector<Range>{{0, 1}, {1, 9}}));
}

struct Best {
  double sum = kNever;
  double slowest = kNever;
};

// Every way to form stages: the least sum and, independently, the least slowest.
void enumerate(const StageChoices& choices, int device, size_t border, Best so_far, Best& best) {
  const bool is_done = device == static_cast<int>(choices.blocks.size());
  if (is_done != (border + 1 == choices.borders.size())) return;
  if (is_done) {
    best.sum = std::min(best.sum, so_far.sum);
    best.slowest = std::min(best.slowest, so_far.slowest);
    return;
  }
  for (const Block& block : choices.blocks[static_cast<size_t>(device)]) {
    for (size_t end = border + 1; end < choices.borders.size(); ++end) {
      double own = block.price->seconds({choices.borders[border], choices.borders[end]});
      if (block.end < static_cast<int>(choices.blocks.size())) {
        own += choices.handover_seconds[static_cast<size_t>(block.end)][end];
      }
      enumerate(choices, block.end, end, {so_far.sum + own, std::max(so_far.slowest, own)}, best);
    }
  }
}

TEST(SearchStages, EqualsEnumerationOnRandomChainsAndDevices) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<Load> loads(2 + random() % 6);
    for (Load& load : loads) {
      load = {static_cast<double>(random() % 9), static_cast<int64_t>(random() % 5)};
    }
    std::vector<double> speeds(1 + random() % 4);
    for (double& speed : speeds) speed = 1 + static_cast<double>(random() % 3);
    Case given(loads, speeds, static_cast<int64_t>(3 + random() % 10));
    for (auto& handover : given.choices.handover_seconds) {
      for (double& seconds : handover) seconds = static_cast<double>(random() % 3);
    }
    Best best;
    enumerate(given.choices, 0, 0, {0, 0}, best);
    const auto least = search_stages(given.choices, StageObjective::kLatency);
    const auto even = search_stages(given.choices, StageObjective::kSlowest);
    ASSERT_EQ(least.has_value(), best.sum < kNever) << trial;
    ASSERT_EQ(even.has_value(), best.sum < kNever) << trial;
    if (!least) continue;
    EXPECT_LE(least->sum_seconds, best.sum * 1.005 + 1e-12) << trial;
    EXPECT_DOUBLE_EQ(even->slowest_seconds, best.slowest) << trial;
  }
}

TEST(CutBorders, FewLayersMayBeCutAtEveryNode) {
  ir::Graph graph = ir::parse_graph(R"(graph "g" {
  input %x : f32[t,4]
  %a : f32[t,4] = relu(%x) {layer = 0}
  %b : f32[t,4] = relu(%a) {layer = 0}
  %c : f32[t,4] = relu(%b) {layer = 1}
  return %c
}
)");
  EXPECT_EQ(cut_borders(graph, 1), (std::vector<int64_t>{0, 1, 2, 3}));
}

// A residual stream with one branch at a time: half a layer is as narrow as a whole one.
TEST(CutBorders, WhereAsFewResultsCrossAsBetweenLayers) {
  std::string text = "graph \"g\" {\n  input %x : f32[t,4]\n  %x0 : f32[t,4] = relu(%x)\n";
  constexpr int kLayers = 40;
  for (int layer = 0; layer < kLayers; ++layer) {
    const std::string mark = str(" {layer = ", layer, "}\n");
    const int in = 2 * layer;
    text += str("  %a", in, " : f32[t,4] = relu(%x", in, ")", mark);
    text += str("  %x", in + 1, " : f32[t,4] = add(%x", in, ", %a", in, ")", mark);
    text += str("  %b", in, " : f32[t,4] = relu(%x", in + 1, ")", mark);
    text += str("  %x", in + 2, " : f32[t,4] = add(%x", in + 1, ", %b", in, ")", mark);
  }
  const ir::Graph graph = ir::parse_graph(text + str("  return %x", 2 * kLayers, "\n}\n"));
  std::vector<int64_t> every_second = {0};
  for (int64_t node = 1; node <= 4 * kLayers + 1; node += 2) every_second.push_back(node);
  EXPECT_EQ(cut_borders(graph, 2), every_second);
}

}  // namespace
}  // namespace partita::planner
