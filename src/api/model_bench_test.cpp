// SPDX-License-Identifier: Apache-2.0
// What bench_model() reports; not how fast it is.
#include "partita/model_bench.h"

#include <gtest/gtest.h>

#include "support/error.h"

namespace partita {
namespace {

TEST(ModelBench, ReportsEveryStepBesideItsPrediction) {
  const std::filesystem::path source(PARTITA_SOURCE_DIR);
  const Model model = Model::load(source / "tests/golden/llama_gqa_tied");
  ModelBenchOptions options;
  options.plan.mesh = "tp=2";
  options.plan.devices = source / "tests/data/devices/test-cpu.toml";
  options.plan.prompt_tokens = 12;
  options.plan.output_tokens = 4;
  options.repeats = 2;
  const ModelBenchResult result = bench_model(model, options);
  EXPECT_EQ(result.mesh, "tp=2");
  EXPECT_EQ(result.ranks, 2);
  EXPECT_EQ(result.prefill.measured.size(), 2);
  EXPECT_EQ(result.decode.measured.size(), 2 * 3);  // the first token comes from prefill
  EXPECT_LE(result.decode.best(), result.decode.median());
  EXPECT_GT(result.decode.best(), 0);
  EXPECT_GT(result.prefill.predicted, result.decode.predicted);
  ASSERT_EQ(result.memory.size(), 2);
  EXPECT_GT(result.memory[1].predicted, 0);
  EXPECT_EQ(result.memory[1].measured, 0);  // threads share one process
}

TEST(ModelBench, RefusesNothingToMeasure) {
  const Model model =
      Model::load(std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/golden/llama_gqa_tied");
  ModelBenchOptions options;
  options.repeats = 0;
  EXPECT_THROW((void)bench_model(model, options), Error);
  options.repeats = 1;
  options.plan.output_tokens = 1;
  EXPECT_THROW((void)bench_model(model, options), Error);
}

}  // namespace
}  // namespace partita
