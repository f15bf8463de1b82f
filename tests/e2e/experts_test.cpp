// SPDX-License-Identifier: Apache-2.0
// Models with experts, cut by expert, inside the experts and both, as pinned: the logits and tokens
// of the unsharded model, and only the own experts on every rank.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/golden.h"
#include "support/json.h"

namespace partita::tests {
namespace {

struct Cut {
  const char* mesh;
  const char* pin;   // strategy of all experts
  const char* gate;  // spec of the stacked gate matrices
};

// 5 or 7 experts of 17 or 13 inner units: no axis divides either, and 8 ranks are more than there
// are experts.
constexpr Cut kCuts[] = {
    {"ep=2", "e:ep", "[_:ep, _, _]"},
    {"tp=3", "f:tp", "[_, _:tp, _]"},
    {"ep=8", "e:ep", "[_:ep, _, _]"},
    {"ep=2,tp=2", "e:ep f:tp", "[_:ep, _:tp, _]"},
    {"ep=2,tp=3", "e:tp f:ep", "[_:tp, _:ep, _]"},
    {"ep=2,tp=2", "e:ep e:tp", "[_:ep*tp, _, _]"},
    {"ep=3,tp=2", "d:ep e:tp", "[_:tp, _, _]"},
    {"pp=2,ep=2,tp=2", "f:ep e:tp", "[_:tp, _:ep, _]"},
};

class PinnedExperts : public testing::TestWithParam<std::string> {};

TEST_P(PinnedExperts, EveryCutEqualsTransformers) {
  const GoldenCase golden = golden_case(GetParam());
  const Model model = Model::load(golden.directory, {.dtype = "f32"});
  for (const Cut& cut : kCuts) {
    SCOPED_TRACE(std::string(cut.mesh) + " " + cut.pin);
    PlanOptions options = golden_plan_options(cut.mesh);
    options.pins = {std::string("layers.*.mlp.experts=") + cut.pin};
    const Plan plan = Plan::make(model, options);
    const Json json = parse_json(plan.to_json(), "plan");
    int stacks = 0;
    for (const Json& item : json.at("values")) {
      const auto name = item.at("value").get<std::string>();
      if (!name.ends_with("mlp.experts.gate.weight")) continue;
      EXPECT_EQ(item.at("spec"), cut.gate) << name;
      ++stacks;
    }
    EXPECT_GT(stacks, 0);
    Engine engine(model, plan, {.launcher = "threads", .threads_per_rank = 1});
    EXPECT_LE(worst_share(all_logits(engine, golden), golden.logits, 1e-5), 1.0);
    EXPECT_EQ(greedy_tokens(engine, golden), golden.greedy);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases,
                         PinnedExperts,
                         testing::Values("mixtral", "mixtral_fused", "qwen3_moe"),
                         [](const auto& row) { return row.param; });

// 5 experts over 2 ranks: 3 and 2.
TEST(PinnedExperts, ARankHoldsItsOwnExperts) {
  const GoldenCase golden = golden_case("mixtral");
  const Model model = Model::load(golden.directory, {.dtype = "f32"});
  PlanOptions options = golden_plan_options("ep=2");
  options.pins = {"layers.*.mlp.experts=e:ep"};
  const Plan plan = Plan::make(model, options);
  EXPECT_THAT(plan.dump_program(0), testing::HasSubstr("block_sparse_moe.experts.2.w1.weight"));
  EXPECT_THAT(plan.dump_program(0), testing::Not(testing::HasSubstr("experts.3.")));
  EXPECT_THAT(plan.dump_program(1), testing::HasSubstr("block_sparse_moe.experts.3.w1.weight"));
  EXPECT_THAT(plan.dump_program(1), testing::Not(testing::HasSubstr("experts.2.")));
}

}  // namespace
}  // namespace partita::tests
