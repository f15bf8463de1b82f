// SPDX-License-Identifier: Apache-2.0
// ctest-label: slow
// What a rank reads and holds while it loads a checkpoint that is large against everything else.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "e2e/golden.h"
#include "e2e/made_model.h"

namespace partita::tests {
namespace {

namespace fs = std::filesystem;

class Memory : public testing::TestWithParam<const char*> {};

TEST_P(Memory, ARankReadsAndHoldsOnlyItsShards) {
  const fs::path checkpoint = made_model("gpt2-124m", kGpt2Shape, {.dtype = "f32"});
  const Model model = Model::load(checkpoint, {.dtype = GetParam()});
  const int64_t stored_bytes = Model::load(checkpoint, {.dtype = "f32"}).weight_bytes();
  // What a rank reads of the file is as large as its weights would be in f32.
  const double stored_share =
      static_cast<double>(stored_bytes) / static_cast<double>(model.weight_bytes());
  constexpr int64_t kMiB = 1 << 20;
  for (const char* mesh : {"tp=2", "tp=3", "pp=2"}) {
    SCOPED_TRACE(mesh);
    const Plan plan = Plan::make(
        model, {.mesh = mesh, .devices = test_devices(), .max_context = 64, .max_step_tokens = 16});
    Engine engine(model, plan,
                  {.launcher = "fork", .worker_program = PARTITA_BINARY_DIR "/bin/partita"});
    int64_t sum = 0;
    for (const RankCost& rank : engine.report().ranks) {
      EXPECT_GT(rank.weight_bytes, 0);
      EXPECT_LT(rank.weight_bytes, model.weight_bytes());
      // Headers of this checkpoint are below 32 KiB.
      const double read_bytes = static_cast<double>(rank.weight_bytes) * stored_share;
      const double slack = GetParam() == std::string("f32") ? 1.02 : 1.1;  // norms stay f32
      EXPECT_LE(static_cast<double>(rank.bytes_read), read_bytes * slack + (32 << 10));
      EXPECT_LE(rank.peak_rss_bytes, rank.weight_bytes + rank.weight_bytes * 15 / 100 + 64 * kMiB);
      sum += rank.weight_bytes;
    }
    EXPECT_GE(sum, model.weight_bytes());
  }
}

INSTANTIATE_TEST_SUITE_P(Weights, Memory, testing::Values("f32", "bf16", "q8", "q4"));

// 6 layers and a head larger than the pieces that weights are packed in, stored as they are run.
fs::path large_gguf(const std::string& dtype) {
  return made_model("llama-225m-" + dtype + ".gguf",
                    {.hidden = 1536,
                     .layers = 6,
                     .heads = 24,
                     .kv_heads = 8,
                     .feed_forward = 4096,
                     .vocab_size = 24000},
                    {.dtype = dtype, .format = "gguf"});
}

class MemoryOfGguf : public testing::TestWithParam<const char*> {};

TEST_P(MemoryOfGguf, ARankHoldsOnlyItsShards) {
  const Model model = Model::load(large_gguf(GetParam()));
  EXPECT_EQ(model.dtype(), GetParam());
  constexpr int64_t kMiB = 1 << 20;
  for (const char* mesh : {"tp=2", "pp=2"}) {
    SCOPED_TRACE(mesh);
    const Plan plan = Plan::make(
        model, {.mesh = mesh, .devices = test_devices(), .max_context = 64, .max_step_tokens = 16});
    Engine engine(model, plan,
                  {.launcher = "fork", .worker_program = PARTITA_BINARY_DIR "/bin/partita"});
    for (const RankCost& rank : engine.report().ranks) {
      EXPECT_GT(rank.weight_bytes, 0);
      EXPECT_GE(rank.peak_rss_bytes, rank.weight_bytes);
      EXPECT_LE(rank.peak_rss_bytes, rank.weight_bytes + rank.weight_bytes * 15 / 100 + 64 * kMiB);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Weights, MemoryOfGguf, testing::Values("bf16", "q8_0", "q4_0"));

}  // namespace
}  // namespace partita::tests
