// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/plan_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planner/explain/small_model.h"

namespace partita::planner {
namespace {

using testing::HasSubstr;

plan::Plan planned(const ir::Graph& graph, const char* mesh, int64_t output_tokens = 16) {
  const PlanRequest request = {.graph = graph,
                               .mesh = spec::Mesh::parse(mesh),
                               .profile = small_device(),
                               .workload = {.prompt_tokens = 64,
                                            .output_tokens = output_tokens,
                                            .max_context = 80,
                                            .max_step_tokens = 64}};
  return std::get<plan::Plan>(make_plan(request));
}

TEST(PlanDiff, EqualPlansSaySo) {
  const ir::Graph graph = small_model();
  const plan::Plan plan = planned(graph, "tp=2");
  const PlanDiff diff = diff_plans(plan, plan, graph);
  EXPECT_TRUE(diff.is_equal);
  EXPECT_TRUE(diff.decisions.empty());
  EXPECT_EQ(to_text(diff), "the plans are equal\n");
}

TEST(PlanDiff, IdenticalLayersShareALine) {
  const ir::Graph graph = small_model();
  const plan::Plan before = planned(graph, "tp=2");
  plan::Plan after = before;
  for (plan::OpDecision& op : after.ops) {
    if (op.node.ends_with(".act")) op.axis_factor = {-1};
  }
  const PlanDiff diff = diff_plans(before, after, graph);
  ASSERT_EQ(diff.decisions.size(), 1U);
  EXPECT_EQ(diff.decisions[0].name, "layers.*.act");
  EXPECT_EQ(diff.decisions[0].layers, (std::set<int32_t>{0, 1}));
  EXPECT_EQ(diff.decisions[0].before, "d1:tp");
  EXPECT_EQ(diff.decisions[0].after, "replicated");
  EXPECT_TRUE(diff.settings.empty());
  EXPECT_THAT(to_text(diff),
              HasSubstr("operator  layers.*.act  layers 0-1  d1:tp  ->  replicated\n"));
}

TEST(PlanDiff, MeshesStagesCollectivesAndMemoryAreCompared) {
  const ir::Graph graph = small_model();
  const plan::Plan before = planned(graph, "tp=2");
  const plan::Plan after = planned(graph, "pp=2", 8);
  const PlanDiff diff = diff_plans(before, after, graph);
  const std::string text = to_text(diff);
  EXPECT_THAT(text, HasSubstr("mesh           tp=2"));
  EXPECT_THAT(text, HasSubstr("output tokens  16"));
  EXPECT_THAT(text, HasSubstr("weight    layers.*.up.weight"));
  EXPECT_THAT(text, HasSubstr("reshards  layers.*.down"));
  const auto total = [&](const std::string& name) {
    for (const TotalDiff& entry : diff.totals) {
      if (entry.name == name) return std::pair(entry.before, entry.after);
    }
    return std::pair(-1.0, -1.0);
  };
  EXPECT_EQ(total("all_reduce per step").second, 0);
  EXPECT_GT(total("all_reduce per step").first, 0);
  EXPECT_EQ(total("fullest rank"), std::pair(static_cast<double>(before.memory[0].total()),
                                             static_cast<double>(after.memory[0].total())));
  EXPECT_DOUBLE_EQ(total("decode step").first,
                   before.predicted.decode_compute_s + before.predicted.decode_comm_s);
  EXPECT_EQ(to_json(diff).at("decisions").size(), diff.decisions.size());
}

}  // namespace
}  // namespace partita::planner
