// SPDX-License-Identifier: Apache-2.0
// Logits and greedy tokens equal transformers on one rank, and every plan equals one rank.
#include <gtest/gtest.h>

#include "e2e/golden.h"

namespace partita::tests {
namespace {

constexpr double kF32Tolerance =
    1e-5;  // atol = rtol, the bar of transformers' own tensor-parallel tests

Engine start(const Model& model, const std::string& mesh) {
  return Engine(model, Plan::make(model, golden_plan_options(mesh)),
                {.launcher = "threads", .threads_per_rank = 1});
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, OneRankEqualsTransformers) {
  const GoldenCase golden = golden_case(GetParam());
  const Model model = Model::load(golden.directory, {.dtype = "f32"});
  Engine engine = start(model, "tp=1");
  EXPECT_LE(worst_share(all_logits(engine, golden), golden.logits, kF32Tolerance), 1.0);
  EXPECT_EQ(greedy_tokens(engine, golden), golden.greedy);
}

TEST_P(Golden, EveryPlanEqualsTransformers) {
  const GoldenCase golden = golden_case(GetParam());
  const Model model = Model::load(golden.directory, {.dtype = "f32"});
  for (const std::string& mesh : meshes_for(model.layers())) {
    SCOPED_TRACE(mesh);
    Engine engine = start(model, mesh);
    EXPECT_LE(worst_share(all_logits(engine, golden), golden.logits, kF32Tolerance), 1.0);
    EXPECT_EQ(greedy_tokens(engine, golden), golden.greedy);
  }
}

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const GoldenCase& golden : golden_cases()) names.push_back(golden.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(case_names()), [](const auto& row) {
  return row.param;
});

// bf16 weights with f32 accumulation: no further from the exact result than transformers' own bf16
// run is. Its largest distance on this case is recorded with the case; ours must stay within it.
TEST(GoldenBf16, LogitsAreAsCloseToF32AsTransformersBf16) {
  const GoldenCase golden = golden_case("llama_bf16");
  const Model model = Model::load(golden.directory, {.dtype = "auto"});
  EXPECT_EQ(model.dtype(), "bf16");
  double reference = 0;
  for (size_t i = 0; i < golden.logits.size(); ++i) {
    reference = std::max<double>(reference, std::abs(golden.bf16_logits[i] - golden.logits[i]));
  }
  for (const std::string mesh : {"tp=1", "tp=3"}) {
    Engine engine = start(model, mesh);
    const std::vector<float> logits = all_logits(engine, golden);
    ASSERT_EQ(logits.size(), golden.logits.size());
    double ours = 0;
    for (size_t i = 0; i < logits.size(); ++i)
      ours = std::max<double>(ours, std::abs(logits[i] - golden.logits[i]));
    EXPECT_LE(ours, reference) << mesh;
    EXPECT_GT(reference, 0);
  }
}

TEST(GoldenSampling, ASeedGivesTheSameTokensOnEveryPlan) {
  const Model model = Model::load(bundled_model(), {.dtype = "f32"});
  const GenerateOptions options{
      .max_tokens = 40, .temperature = 0.9, .top_k = 50, .top_p = 0.95, .seed = 7, .stop = {}};
  std::vector<int32_t> expected;
  for (const std::string mesh : {"tp=1", "tp=2", "tp=3", "tp=8", "pp=2", "pp=2,tp=3", "a=2,b=2"}) {
    Engine engine = start(model, mesh);
    const Completion completion = engine.generate("Once upon a time", options);
    if (expected.empty()) expected = completion.tokens;
    EXPECT_EQ(completion.tokens, expected) << mesh;
    EXPECT_GE(completion.tokens.size(), 5U);
  }
}

}  // namespace
}  // namespace partita::tests
