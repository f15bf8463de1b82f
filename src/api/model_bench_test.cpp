// SPDX-License-Identifier: Apache-2.0
// What bench_model() reports; not how fast it is.
#include "partita/model_bench.h"

#include <gtest/gtest.h>

#include "support/error.h"

namespace partita {
namespace {

// Two layers with seven products each and the logits, on either rank.
void expect_op_times(const std::vector<OpTimes>& times) {
  int linears = 0;
  for (size_t i = 0; i < times.size(); ++i) {
    EXPECT_LE(times[i].best, times[i].median) << times[i].op;
    EXPECT_GE(times[i].best, 0) << times[i].op;
    EXPECT_GT(times[i].calls, 0) << times[i].op;
    if (i > 0 && times[i].rank == times[i - 1].rank) {
      EXPECT_LE(times[i].median, times[i - 1].median);
    }
    if (times[i].op != "linear") continue;
    ++linears;
    EXPECT_EQ(times[i].calls, 2 * 7 + 1);
    EXPECT_GT(times[i].best, 0);
  }
  EXPECT_EQ(linears, 2);
}

TEST(ModelBench, ReportsEveryStepBesideItsPrediction) {
  const std::filesystem::path source(PARTITA_SOURCE_DIR);
  const Model model = Model::load(source / "tests/golden/llama_gqa_tied");
  ModelBenchOptions options;
  options.plan.mesh = "tp=2";
  options.plan.devices = source / "tests/data/devices/test-cpu.toml";
  options.plan.prompt_tokens = 12;
  options.plan.output_tokens = 4;
  options.repeats = 2;
  options.profile_ops = true;
  const ModelBenchResult result = bench_model(model, options);
  EXPECT_EQ(result.mesh, "tp=2");
  EXPECT_EQ(result.ranks, 2);
  EXPECT_EQ(result.prefill.measured.size(), 2);
  EXPECT_EQ(result.decode.measured.size(), 2 * 3);  // the first token comes from prefill
  EXPECT_LE(result.decode.best(), result.decode.median());
  EXPECT_GT(result.decode.best(), 0);
  EXPECT_GT(result.prefill.predicted, result.decode.predicted);
  // The tied embedding is read whole for the logits, so a step reads every weight; what both ranks
  // hold is read twice.
  const auto weight_bytes = static_cast<double>(model.weight_bytes());
  EXPECT_GE(result.step_weight_bytes, weight_bytes);
  EXPECT_LE(result.step_weight_bytes, 2 * weight_bytes);
  EXPECT_GT(result.step_read_seconds, 0);
  EXPECT_EQ(result.profile_round_trip_ns, 0);  // of a described machine
  expect_op_times(result.prefill_ops);
  expect_op_times(result.decode_ops);
  ASSERT_EQ(result.memory.size(), 2);
  EXPECT_GT(result.memory[1].predicted, 0);
  EXPECT_EQ(result.memory[1].measured, 0);  // threads share one process
}

TEST(ModelBench, TimesBatches) {
  const std::filesystem::path source(PARTITA_SOURCE_DIR);
  const Model model = Model::load(source / "tests/golden/llama_gqa_tied");
  ModelBenchOptions options;
  options.plan.devices = source / "tests/data/devices/test-cpu.toml";
  options.plan.concurrency = 3;
  options.plan.prompt_tokens = 8;
  options.plan.output_tokens = 5;
  options.repeats = 2;
  const ModelBenchResult result = bench_model(model, options);
  EXPECT_EQ(result.prefill.measured.size(), 2);
  EXPECT_EQ(result.decode.measured.size(), 2);
  EXPECT_GT(result.prefill.best(), 0);
  options.profile_ops = true;
  EXPECT_THROW((void)bench_model(model, options), Error);
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
