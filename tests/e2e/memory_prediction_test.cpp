// SPDX-License-Identifier: Apache-2.0
// ctest-label: slow
// The memory that a plan predicts for each rank beside the most that its process ever held.
#include <gtest/gtest.h>

#include <filesystem>

#include "e2e/made_model.h"
#include "partita/partita.h"

namespace partita::tests {
namespace {

namespace fs = std::filesystem;

// A machine profile measured now, because its reserve is what a rank's process holds anyway.
fs::path measured_profile() {
  static const fs::path file = [] {
    const fs::path path = fs::path(PARTITA_BINARY_DIR) / "memory-prediction-profile.toml";
    (void)calibrate({.ranks = {2}, .transports = {"shm"}, .is_quick = true, .output = path});
    return path;
  }();
  return file;
}

struct Budget {
  double gigabytes;
  int64_t prompt_tokens;
  int64_t concurrency;  // of sequences with caches
};

void expect_predicted(const Model& model, const char* mesh, const Budget& budget) {
  ModelBenchOptions options;
  options.plan.mesh = mesh;
  options.plan.devices = measured_profile();
  options.plan.memory_limit_gb = budget.gigabytes;
  options.plan.prompt_tokens = budget.prompt_tokens;
  options.plan.output_tokens = 8;
  options.plan.concurrency = budget.concurrency;
  options.engine.launcher = "fork";
  options.engine.worker_program = PARTITA_BINARY_DIR "/bin/partita";
  options.engine.step_timeout_ms = 120000;
  options.repeats = 1;
  for (const MemoryBytes& rank : bench_model(model, options).memory) {
    ASSERT_GT(rank.measured, 0);
    const auto measured = static_cast<double>(rank.measured);
    const auto predicted = static_cast<double>(rank.predicted);
    EXPECT_NEAR(predicted / measured, 1, 0.1)
        << predicted / 1e6 << " MB predicted, " << measured / 1e6 << " MB measured";
    EXPECT_LE(measured, budget.gigabytes * 1e9);
  }
}

TEST(MemoryPrediction, IsWithinATenthForGpt2) {
  const Model model =
      Model::load(made_model("gpt2-124m", kGpt2Shape, {.dtype = "f32"}), {.dtype = "f32"});
  for (const char* mesh : {"tp=2", "pp=2"}) {
    for (const Budget& budget : {Budget{0.45, 56, 1}, {0.6, 248, 4}, {1.0, 504, 16}}) {
      SCOPED_TRACE(testing::Message() << mesh << " within " << budget.gigabytes << " GB");
      expect_predicted(model, mesh, budget);
    }
  }
}

TEST(MemoryPrediction, IsWithinATenthForLlama) {
  const ModelShape shape = {.hidden = 1024,
                            .layers = 12,
                            .heads = 16,
                            .kv_heads = 4,
                            .feed_forward = 3072,
                            .vocab_size = 16000};
  const Model model =
      Model::load(made_model("llama-180m", shape, {.dtype = "bf16"}), {.dtype = "bf16"});
  for (const char* mesh : {"tp=2", "pp=2"}) {
    for (const Budget& budget : {Budget{0.3, 56, 1}, {0.4, 248, 4}, {0.6, 504, 16}}) {
      SCOPED_TRACE(testing::Message() << mesh << " within " << budget.gigabytes << " GB");
      expect_predicted(model, mesh, budget);
    }
  }
}

}  // namespace
}  // namespace partita::tests
