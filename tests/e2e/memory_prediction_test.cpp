// SPDX-License-Identifier: Apache-2.0
// ctest-label: slow
// The memory that a plan predicts for each rank beside the most that its process ever held.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "partita/partita.h"

namespace partita::tests {
namespace {

namespace fs = std::filesystem;

// A checkpoint with pseudo-random weights, written once by the committed script.
fs::path checkpoint(const std::string& name, const std::string& arguments) {
  const fs::path folder = fs::path(PARTITA_BINARY_DIR) / name;
  if (!fs::exists(folder / "model.safetensors")) {
    const std::string script = std::string(PARTITA_SOURCE_DIR) + "/tools/make_shape_checkpoint.py";
    EXPECT_EQ(
        std::system(("python3 " + script + " " + arguments + " " + folder.string() + " >/dev/null")
                        .c_str()),
        0);
  }
  return folder;
}

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
      Model::load(checkpoint("gpt2-124m", "--preset gpt2-124m --dtype f32"), {.dtype = "f32"});
  for (const char* mesh : {"tp=2", "pp=2"}) {
    for (const Budget& budget : {Budget{0.45, 56, 1}, {0.6, 248, 4}, {1.0, 504, 16}}) {
      SCOPED_TRACE(testing::Message() << mesh << " within " << budget.gigabytes << " GB");
      expect_predicted(model, mesh, budget);
    }
  }
}

TEST(MemoryPrediction, IsWithinATenthForLlama) {
  const Model model = Model::load(checkpoint("llama-180m",
                                             "--family llama --hidden 1024 --layers 12 --heads 16 "
                                             "--kv-heads 4 --ffn 3072 --vocab 16000 --dtype bf16"),
                                  {.dtype = "bf16"});
  for (const char* mesh : {"tp=2", "pp=2"}) {
    for (const Budget& budget : {Budget{0.3, 56, 1}, {0.4, 248, 4}, {0.6, 504, 16}}) {
      SCOPED_TRACE(testing::Message() << mesh << " within " << budget.gigabytes << " GB");
      expect_predicted(model, mesh, budget);
    }
  }
}

}  // namespace
}  // namespace partita::tests
