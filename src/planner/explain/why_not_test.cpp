// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/why_not.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planner/explain/small_model.h"

namespace partita::planner {
namespace {

using testing::HasSubstr;

class WhyNotTest : public testing::Test {
 protected:
  void plan_for(const char* mesh) {
    request_.mesh = spec::Mesh::parse(mesh);
    plan_ = std::get<plan::Plan>(make_plan(request_));
  }

  WhyNot ask(const std::string& name, const std::string& wanted) {
    OpenPlan open(request_, plan_);
    return why_not(open, name, wanted);
  }

  ir::Graph graph_ = small_model();
  PlanRequest request_ = {
      .graph = graph_,
      .profile = small_device(),
      .workload = {
          .prompt_tokens = 64, .output_tokens = 16, .max_context = 80, .max_step_tokens = 64}};
  plan::Plan plan_;
};

// The answer is the plan that a pin of the same spec gives: same cost, same decisions.
TEST_F(WhyNotTest, AnswerEqualsThePlanWithThatPin) {
  plan_for("tp=2");
  const WhyNot answer = ask("layers.0.down.weight", "[n:tp, k]");
  ASSERT_TRUE(answer.is_possible);
  PlanRequest pinned = request_;
  pinned.pins = {{"layers.0.down.weight", "[n:tp, k]", "test"}};
  const plan::Plan with_pin = std::get<plan::Plan>(make_plan(pinned));
  const PlanDiff expected = diff_plans(plan_, with_pin, graph_);
  ASSERT_EQ(answer.diff.decisions.size(), expected.decisions.size());
  for (size_t i = 0; i < expected.decisions.size(); ++i) {
    EXPECT_EQ(answer.diff.decisions[i].name, expected.decisions[i].name);
    EXPECT_EQ(answer.diff.decisions[i].after, expected.decisions[i].after);
  }
  for (size_t i = 0; i < expected.totals.size(); ++i) {
    EXPECT_NEAR(answer.diff.totals[i].after, expected.totals[i].after,
                1e-9 * expected.totals[i].after)
        << expected.totals[i].name;
  }
  EXPECT_THAT(answer.answer, HasSubstr("more per request"));
  EXPECT_THAT(to_text(answer), HasSubstr("communication"));
}

TEST_F(WhyNotTest, WhatThePlanHasIsSaidSo) {
  plan_for("tp=2");
  EXPECT_EQ(ask("layers.0.up", "n:tp").answer, "the plan has it");
  EXPECT_EQ(ask("layers.0.up", "[t, n:tp]").answer, "the plan has it");
  EXPECT_EQ(ask("layers.0.up.weight", "(S0, R)").answer, "the plan has it");
}

TEST_F(WhyNotTest, RuleThatExcludesItIsNamed) {
  plan_for("tp=2");
  EXPECT_THAT(ask("layers.0.up.weight", "replicated").answer,
              HasSubstr("the rule shard_weights excludes it; without that it costs"));
}

TEST_F(WhyNotTest, ImpossibleSpecGivesTheReasonAndTheNearestOnes) {
  plan_for("a=2,b=2");
  const WhyNot partial = ask("layers.0.up.weight", "[n:a, k] +sum(b)");
  EXPECT_FALSE(partial.is_possible);
  EXPECT_THAT(partial.answer, HasSubstr("never a term of a sum"));
  ASSERT_FALSE(partial.nearest.empty());
  // One axis away; "[n:b, k]" is two away.
  EXPECT_THAT(partial.nearest.front().choice, HasSubstr("n:a"));
  const WhyNot activation = ask("layers.0.act", "[t, d1:a] +sum(b)");
  EXPECT_FALSE(activation.is_possible);
  EXPECT_THAT(activation.answer, HasSubstr("no strategy of its operator gives it"));
  EXPECT_THAT(to_text(activation), HasSubstr("nearest to it"));
}

TEST_F(WhyNotTest, AnUnknownFactorNamesTheOperatorAndItsFactors) {
  plan_for("tp=2");
  try {
    (void)ask("layers.0.up", "z:tp");
    FAIL() << "answered";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("[explain] layers.0.up (linear) cannot be \"z:tp\": "));
    EXPECT_THAT(error.what(), HasSubstr("no factor \"z\"; it has t n k"));
  }
}

// Dims and factors are called alike in what is asked, answered and offered, however they were
// written.
TEST_F(WhyNotTest, SymbolsAreTheNamesOfDimsAndFactors) {
  plan_for("a=2,b=2");
  for (const char* asked : {"[t, d1:a] +sum(b)", "[d0, d1:a] +sum(b)", "(R, S0) +sum(b)"}) {
    EXPECT_EQ(ask("layers.0.act", asked).wanted, "[t, d1:a] +sum(b)") << asked;
  }
  for (const char* asked : {"t:a d1:b", "d0:a d1:b"}) {
    const WhyNot answer = ask("layers.0.act", asked);
    EXPECT_FALSE(answer.is_possible) << asked;
    EXPECT_EQ(answer.wanted, "t:a d1:b") << asked;
  }
}

TEST_F(WhyNotTest, TooLargeIsSaidWithTheBytes) {
  request_.shard_weights = false;
  request_.profile.device.reserve_bytes = 0;
  request_.profile.device.memory_bytes = 250'000;  // the weights are 262,144 bytes
  plan_for("tp=2");
  const WhyNot answer = ask("layers.0.up.weight", "replicated");
  EXPECT_THAT(answer.answer, HasSubstr("it does not fit: the fullest rank would need"));
}

TEST_F(WhyNotTest, NonsenseIsRefused) {
  plan_for("tp=2");
  EXPECT_THROW((void)ask("layers.0.up", "[t:tp, n]"), Error);    // a symbolic dim
  EXPECT_THROW((void)ask("layers.0.up", "[t, n, k]"), Error);    // too many dims
  EXPECT_THROW((void)ask("layers.0.up", "n:nowhere"), Error);    // no such axis
  EXPECT_THROW((void)ask("layers.0.up.weight", "n:tp"), Error);  // a tensor has no strategy
  EXPECT_THROW((void)ask("layers.*.up", "n:tp"), Error);         // not one name
  EXPECT_THROW((void)ask("layers.9.up", "n:tp"), Error);
  EXPECT_THROW((void)ask("layers.0.up", "stage 0"), Error);  // neither strategy nor spec
  EXPECT_THROW((void)ask("layers.0.up.weight", "stage 0"), Error);
  EXPECT_NO_THROW((void)ask("layers.0.up.weight", "[_:*, _]"));
}

}  // namespace
}  // namespace partita::planner
