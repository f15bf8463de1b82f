// SPDX-License-Identifier: Apache-2.0
// What bench_load() reports; not how fast it is.
#include "partita/load_bench.h"

#include <gtest/gtest.h>

#include "support/error.h"

namespace partita {
namespace {

LoadBenchOptions options_for_two_ranks() {
  LoadBenchOptions options;
  options.plan.mesh = "tp=2";
  options.plan.devices =
      std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data/devices/test-cpu.toml";
  options.rounds = 2;
  return options;
}

TEST(LoadBench, TakesTheTimeOfEveryPhase) {
  const std::filesystem::path model =
      std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/golden/llama_gqa_tied";
  for (const bool as_found : {false, true}) {
    LoadBenchOptions options = options_for_two_ranks();
    options.uses_memory_as_found = as_found;
    const LoadBenchResult result = bench_load(model, options);
    EXPECT_EQ(result.mesh, "tp=2");
    EXPECT_GT(result.file_bytes, 0);
    ASSERT_EQ(result.rounds.size(), 2);
    EXPECT_LE(result.rounds[0].total, result.rounds[1].total);
    for (const LoadRound& round : result.rounds) {
      const double phases = round.model + round.plan + round.start + round.load.read +
                            round.load.pack + round.load.buffers;
      EXPECT_GT(round.load.read, 0);
      EXPECT_GT(round.load.pack, 0);
      EXPECT_GT(round.first_token, 0);
      EXPECT_GT(round.total, round.first_token);
      // Each phase is that of its slowest rank, so two ranks may together name more than the time.
      EXPECT_LE(phases, 2 * round.total);
      EXPECT_GT(round.copy_bytes_per_second, 0);
      EXPECT_GT(round.new_memory_bytes_per_second, 0);
    }
    ASSERT_EQ(result.ranks.size(), 2);
    EXPECT_GT(result.ranks[1].weight_bytes, 0);
    EXPECT_GE(result.ranks[1].bytes_read, 0);
  }
}

TEST(LoadBench, RefusesNothingToMeasure) {
  LoadBenchOptions options = options_for_two_ranks();
  options.rounds = 0;
  EXPECT_THROW((void)bench_load("anywhere", options), Error);
  options.rounds = 1;
  options.prompt_tokens = 0;
  EXPECT_THROW((void)bench_load("anywhere", options), Error);
  options.prompt_tokens = 1;
  EXPECT_THROW((void)bench_load("/nowhere", options), Error);
}

}  // namespace
}  // namespace partita
