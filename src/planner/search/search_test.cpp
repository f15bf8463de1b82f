// SPDX-License-Identifier: Apache-2.0
// Replicas, stages and tensor ranks chosen together.
#include "planner/search/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "importer/importer.h"
#include "support/error.h"

namespace partita::planner {
namespace {

std::filesystem::path data(const std::string& name) {
  return std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data" / name;
}

class SearchPlans : public testing::Test {
 protected:
  PlanSearch search(Objective objective, double requests_per_s = 0) const {
    return search_plans(
        {.plan = request_, .ranks = 8, .objective = objective, .requests_per_s = requests_per_s});
  }

  ir::Graph graph_ =
      importer::import_model(data("configs/llama-3.2-1b"), {.weight_dtype = DType::kBF16}).graph;
  PlanRequest request_ = {.graph = graph_,
                          .profile = cost::load_profile(data("devices/h100-8x8.toml")),
                          .workload = {.concurrency = 64, .max_context = 4096},
                          .dtype = "bf16"};
};

const CandidateReport& chosen(const PlanSearch& search) {
  const auto found = std::find_if(search.candidates.begin(), search.candidates.end(),
                                  [](const auto& candidate) { return candidate.is_chosen; });
  EXPECT_NE(found, search.candidates.end());
  return *found;
}

// A model that fits one device gains nothing from sharing it, when many clients wait.
TEST_F(SearchPlans, ThroughputOfASmallModelWantsReplicas) {
  const PlanSearch found = search(Objective::kThroughput);
  const auto& plan = std::get<plan::Plan>(found.result);
  EXPECT_GE(plan.replicas, 2);
  EXPECT_EQ(plan.replicas * plan.ranks(), 8);
  for (const CandidateReport& other : found.candidates) {
    EXPECT_GE(chosen(found).traffic.tokens_per_s * 1.0201, other.traffic.tokens_per_s);
  }
}

TEST_F(SearchPlans, LatencyOfOneClientUsesAllRanksForIt) {
  request_.workload.concurrency = 1;
  const PlanSearch found = search(Objective::kLatency);
  EXPECT_EQ(std::get<plan::Plan>(found.result).replicas, 1);
  for (const CandidateReport& other : found.candidates) {
    EXPECT_LE(chosen(found).request_s * (1 - 0.021), other.request_s);
  }
}

// Every replica holds all weights, so the fewest replicas leave most room.
TEST_F(SearchPlans, MostKvTokensWantsFewCopiesOfTheWeights) {
  const PlanSearch found = search(Objective::kKvTokens);
  EXPECT_EQ(std::get<plan::Plan>(found.result).replicas, 1);
  EXPECT_GT(chosen(found).kv_tokens, 64 * 4096);
}

TEST_F(SearchPlans, ParetoMarksWhatNothingElseBeats) {
  const PlanSearch found = search(Objective::kThroughput);
  int pareto = 0;
  for (const CandidateReport& a : found.candidates) {
    pareto += a.is_pareto ? 1 : 0;
    if (!a.is_pareto) continue;
    for (const CandidateReport& b : found.candidates) {
      const bool is_better_in_all = b.request_s < a.request_s &&
                                    b.traffic.tokens_per_s > a.traffic.tokens_per_s &&
                                    b.rank_bytes < a.rank_bytes;
      EXPECT_FALSE(is_better_in_all) << a.mesh.to_string() << " " << b.mesh.to_string();
    }
  }
  EXPECT_GE(pareto, 2);
  EXPECT_LT(pareto, static_cast<int>(found.candidates.size()));
}

// Caches of 64 x 4096 positions take 8.6 GB and weights 2.5 GB; 8 devices have 1.1 GB left each,
// for activations and buffers too.
TEST_F(SearchPlans, NothingThatFitsGivesTheReason) {
  request_.profile.device.memory_bytes = 4'000'000'000;
  request_.profile.device.reserve_bytes = 2'900'000'000;
  const PlanSearch found = search(Objective::kThroughput);
  EXPECT_GE(found.candidates.size(), 4U);
  for (const CandidateReport& candidate : found.candidates) EXPECT_FALSE(candidate.fits);
  ASSERT_TRUE(std::holds_alternative<Infeasible>(found.result));
  const auto& reason = std::get<Infeasible>(found.result);
  EXPECT_EQ(reason.too_large, "weights and KV cache");
  EXPECT_EQ(reason.fitting_ranks, 32);
  EXPECT_THAT(reason.reason, testing::HasSubstr("does not fit on 8 devices of 4.0 GB"));
}

TEST_F(SearchPlans, RepeatExactly) {
  const PlanSearch a = search(Objective::kThroughput, 5);
  const PlanSearch b = search(Objective::kThroughput, 5);
  EXPECT_EQ(std::get<plan::Plan>(a.result), std::get<plan::Plan>(b.result));
  EXPECT_EQ(chosen(a).traffic, chosen(b).traffic);
}

TEST(Objective, NamesAreReadBack) {
  for (const Objective objective :
       {Objective::kLatency, Objective::kThroughput, Objective::kKvTokens}) {
    EXPECT_EQ(parse_objective(to_string(objective)), objective);
  }
  EXPECT_THROW((void)parse_objective("speed"), Error);
}

}  // namespace
}  // namespace partita::planner
