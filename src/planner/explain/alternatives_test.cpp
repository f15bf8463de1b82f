// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/alternatives.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "planner/explain/small_model.h"
#include "support/json.h"

namespace partita::planner {
namespace {

using testing::HasSubstr;

// A plan with everything it borrows.
struct Planned {
  explicit Planned(const std::string& mesh, bool shard_weights = true)
      : request{.graph = graph,
                .mesh = spec::Mesh::parse(mesh),
                .profile = small_device(),
                .workload = {.prompt_tokens = 64,
                             .output_tokens = 16,
                             .concurrency = 1,
                             .max_context = 80,
                             .max_step_tokens = 64},
                .shard_weights = shard_weights},
        plan(std::get<plan::Plan>(make_plan(request))) {}

  std::string explained(const std::string& name) {
    OpenPlan open(request, plan);
    std::string text;
    for (const Explanation& explanation : explain_choices(open, name)) {
      text += (text.empty() ? "" : "\n") + to_text(explanation, open);
    }
    return text;
  }

  ir::Graph graph = small_model();
  PlanRequest request;
  plan::Plan plan;
};

TEST(Explain, OperatorShowsEveryStrategyWithItsCostAndTheReshardThatMakesItDear) {
  const auto golden = std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data/explain/operator.txt";
  EXPECT_EQ(Planned("tp=2").explained("layers.0.up"), read_text(golden));
}

TEST(Explain, WeightShowsEverySpecItCouldBeStoredIn) {
  const std::string text = Planned("tp=2").explained("layers.1.down.weight");
  EXPECT_THAT(text, HasSubstr("weight layers.1.down.weight, tp=2\n"));
  EXPECT_THAT(text, HasSubstr("*  [n, k:tp]  k:tp"));
  EXPECT_THAT(text, HasSubstr("[n:tp, k]  n:tp"));
  EXPECT_THAT(text, HasSubstr("[n, k]"));
}

// Stages of 2 and 1 ranks, each with its own copy of what both read.
TEST(Explain, APlanOfUnlikeStagesCostsWhatItSaysAndCannotBeBettered) {
  const ir::Graph graph = small_model();
  const Planned planned("tp=2");
  const PlanRequest unlike = {.graph = graph,
                              .stage_meshes = {spec::Mesh({{"tp", 2}}), spec::Mesh({{"tp", 1}})},
                              .profile = planned.request.profile,
                              .workload = planned.request.workload};
  const auto plan = std::get<plan::Plan>(make_plan(unlike));
  ASSERT_EQ(plan.stages.size(), 2U);
  OpenPlan open(unlike, plan);
  EXPECT_NEAR(open.request_seconds(open.predicted()), open.request_seconds(plan.predicted), 1e-15);
  const auto best = open.with({});
  ASSERT_TRUE(best.has_value());
  EXPECT_EQ(best->delta, 0);
}

// What is listed as an alternative's cost is what the terms of its plan add up to, and no allowed
// alternative that fits is cheaper than the planner's choice.
TEST(Explain, CostsAgreeWithTheForcedPlansAndTheChosenOneIsTheCheapest) {
  for (const char* mesh : {"tp=2", "pp=2,tp=2", "a=2,b=2"}) {
    Planned planned(mesh);
    OpenPlan open(planned.request, planned.plan);
    for (const Explanation& explanation : explain_choices(open, "layers.?.*")) {
      int chosen = 0;
      for (const Alternative& alternative : explanation.alternatives) {
        if (alternative.is_chosen) {
          ++chosen;
          EXPECT_EQ(alternative.delta, 0) << mesh << " " << explanation.name;
        }
        if (!alternative.is_legal || !alternative.excluded_by.empty() || !alternative.fits)
          continue;
        EXPECT_GE(alternative.delta, 0) << mesh << " " << explanation.name;
      }
      EXPECT_EQ(chosen, 1) << mesh << " " << explanation.name;
    }
    const ir::NodeId last = open.facts().node_count() - 1;
    for (const StrategyOption& option : open.space(open.plan().stages.size() - 1).table_of(last)) {
      const auto forced = open.with({.node = last, .strategies = {option}});
      if (!forced) continue;
      const double seconds = open.request_seconds(open.predicted());
      EXPECT_NEAR(open.request_seconds(forced->predicted),
                  seconds + open.request_seconds(forced->delta), seconds * 1e-6);
    }
  }
}

TEST(Explain, LayersWithTheSameDecisionAreExplainedOnce) {
  Planned planned("tp=2");
  OpenPlan open(planned.request, planned.plan);
  const auto explanations = explain_choices(open, "layers.*.down.weight");
  ASSERT_EQ(explanations.size(), 1U);
  EXPECT_EQ(explanations[0].alike, std::vector<std::string>{"layers.1.down.weight"});
}

TEST(Explain, RuleThatKeepsTheCheaperChoiceAwayIsNamed) {
  Planned planned("tp=2");
  planned.request.profile.device.launch_s = 1;  // no collective is worth its start
  planned.request.keep_whole = {"layers.1.up.weight"};
  planned.plan = std::get<plan::Plan>(make_plan(planned.request));
  EXPECT_THAT(planned.explained("layers.1.down.weight"),
              HasSubstr("decided by rule shard_weights; without it [n, k] would be cheaper"));
  EXPECT_THAT(planned.explained("layers.1.up.weight"), HasSubstr("decided by rule keep_whole"));
}

TEST(Explain, PinThatDecidedIsNamedAndItsPriceShown) {
  Planned planned("tp=2");
  planned.request.pins = {{"layers.1.down", "n:tp", "pins.toml:3"}};
  planned.plan = std::get<plan::Plan>(make_plan(planned.request));
  const std::string text = planned.explained("layers.1.down");
  EXPECT_THAT(text, HasSubstr("decided by pin pins.toml:3; without it k:tp would be cheaper"));
  EXPECT_THAT(text, HasSubstr("excluded by a pin"));
}

TEST(Explain, EditedPlanIsPricedAsItIsAndTheBetterChoiceNamed) {
  Planned planned("tp=2");
  for (plan::OpDecision& op : planned.plan.ops) {
    if (op.node == "layers.0.up") op.axis_factor = {2};  // sum over k instead of splitting n
  }
  const std::string text = planned.explained("layers.0.up");
  EXPECT_THAT(text, HasSubstr("decided by the plan file; the planner's own best is n:tp"));
  EXPECT_THAT(text, HasSubstr("*  k:tp"));
  EXPECT_THAT(text, HasSubstr("27.72 ms  -466.5 us"));  // the mirror of the table above
}

TEST(Explain, UnknownNameIsRefusedWithSimilarOnes) {
  Planned planned("tp=2");
  try {
    (void)planned.explained("layers.7.down");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_THAT(error.what(), HasSubstr("the nearest names are layers.0.down"));
    EXPECT_THAT(error.what(), HasSubstr("the numbers behind layers are 0 .. 1"));
  }
  EXPECT_THROW((void)planned.explained("x"), Error);  // a step input
}

TEST(Explain, PlanOfAnotherProfileIsRefused) {
  Planned planned("tp=2");
  planned.request.profile.device.launch_s = 1;
  EXPECT_THROW((void)planned.explained("layers.0.up"), Error);
}

}  // namespace
}  // namespace partita::planner
