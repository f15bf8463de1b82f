// SPDX-License-Identifier: Apache-2.0
// Weights that several stages read: copied or sent, as the cost and the memory have it.
#include "planner/sharing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "importer/importer.h"
#include "planner/explain/summary.h"
#include "planner/search/search.h"

namespace partita::planner {
namespace {

using testing::HasSubstr;

ir::Graph gpt2() {
  return importer::import_model(
             std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data/configs/gpt2",
             {.weight_dtype = DType::kBF16})
      .graph;
}

class SharedWeightsByCost : public testing::Test {
 protected:
  // Steps so long that activations have room for the table while they are not there.
  SharedWeightsByCost() {
    request_.profile.name = "two devices";
    request_.profile.device.memory_bytes = kAmple;
    request_.profile.device.memory_bandwidth = 100e9;
    request_.profile.device.f32_flops = 1e12;
    request_.profile.device.bf16_flops = 1e12;
    request_.profile.links = {{"pp", 1e-6, 10e9}, {"tp", 1e-6, 10e9}};
    request_.workload.max_step_tokens = 8192;
    request_.workload.max_context = 1024;
  }

  PlanResult plan(SharedWeights way, int64_t memory_bytes) {
    request_.shared_weights = way;
    request_.profile.device.memory_bytes = memory_bytes;
    tried_.clear();
    return make_plan(request_, &tried_);
  }

  bool fits(SharedWeights way, int64_t memory_bytes) {
    return std::holds_alternative<plan::Plan>(plan(way, memory_bytes));
  }

  // Of one device, to a thousandth.
  int64_t least_memory(SharedWeights way) {
    int64_t too_small = 0;
    int64_t enough = kAmple;
    while (enough - too_small > enough / 1000) {
      const int64_t middle = (too_small + enough) / 2;
      (fits(way, middle) ? enough : too_small) = middle;
    }
    return enough;
  }

  static constexpr int64_t kAmple = int64_t{2} << 30;
  ir::Graph graph_ = gpt2();
  PlanRequest request_ = {.graph = graph_, .mesh = spec::Mesh::parse("pp=2"), .dtype = "bf16"};
  std::vector<TriedMesh> tried_;
};

TEST_F(SharedWeightsByCost, WithRoomForCopiesNothingIsSent) {
  const auto copied = std::get<plan::Plan>(plan(SharedWeights::kCopied, kAmple));
  EXPECT_TRUE(tried_.empty());
  const auto by_cost = std::get<plan::Plan>(plan(SharedWeights::kByCost, kAmple));
  EXPECT_EQ(by_cost, copied);
  ASSERT_EQ(copied.copies.size(), 1U);
  EXPECT_FALSE(copied.copies.front().is_sent);
  ASSERT_EQ(tried_.size(), 2U);
  EXPECT_EQ(tried_[0].mesh, "pp=2, shared weights copied");
  EXPECT_EQ(tried_[1].mesh, "pp=2, shared weights sent");
  EXPECT_TRUE(tried_[0].is_chosen && !tried_[1].is_chosen);
  EXPECT_LT(tried_[0].request_s, tried_[1].request_s);
}

TEST_F(SharedWeightsByCost, WhereCopiesDoNotFitWeightsAreSent) {
  const int64_t least = least_memory(SharedWeights::kCopied);
  const int64_t least_sent = least_memory(SharedWeights::kSent);
  ASSERT_LT(least_sent, least * 95 / 100);
  EXPECT_EQ(least_memory(SharedWeights::kByCost), least_sent);

  const auto sent = std::get<plan::Plan>(plan(SharedWeights::kByCost, least_sent));
  ASSERT_EQ(sent.copies.size(), 1U);
  EXPECT_TRUE(sent.copies.front().is_sent);
  EXPECT_THAT(explain(sent, graph_), HasSubstr("wte.weight: sent to stage 1 at every step"));
  for (const plan::RankMemory& rank : sent.memory) EXPECT_LE(rank.excess(), 0);
  EXPECT_FALSE(tried_[0].fits);
  EXPECT_TRUE(tried_[1].is_chosen && tried_[1].fits);
  // Sending is slow: who has the room keeps a copy.
  const auto copied = std::get<plan::Plan>(plan(SharedWeights::kByCost, least));
  EXPECT_FALSE(copied.copies.front().is_sent);
  EXPECT_THAT(explain(copied, graph_), HasSubstr("wte.weight: a copy on stage 1"));
}

// Searches look at stages either way, too; here one stage is faster.
TEST_F(SharedWeightsByCost, SearchesWeighBothWays) {
  request_.profile.device.memory_bytes = least_memory(SharedWeights::kSent);
  const auto stages_fit = [&](SharedWeights way) {
    request_.shared_weights = way;
    const PlanSearch search = search_plans(
        {.plan = request_, .ranks = 2, .objective = Objective::kLatency, .requests_per_s = 0});
    return std::ranges::any_of(search.candidates, [](const CandidateReport& candidate) {
      return candidate.mesh.to_string() == "pp=2" && candidate.fits;
    });
  };
  EXPECT_FALSE(stages_fit(SharedWeights::kCopied));
  EXPECT_TRUE(stages_fit(SharedWeights::kByCost));
  (void)plan_for_ranks(request_, 2, &tried_);
  const auto fits = [&](const std::string& mesh) {
    const auto found = std::ranges::find(tried_, mesh, &TriedMesh::mesh);
    return found != tried_.end() && found->fits;
  };
  EXPECT_TRUE(fits("tp=2"));
  EXPECT_FALSE(fits("pp=2, shared weights copied"));
  EXPECT_TRUE(fits("pp=2, shared weights sent"));
}

}  // namespace
}  // namespace partita::planner
