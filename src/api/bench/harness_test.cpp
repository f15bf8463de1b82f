// SPDX-License-Identifier: Apache-2.0
// The measuring loop: what is run how often, what the report says, and refusals of bench_kernels().
#include "api/bench/harness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include "device/cpu/instructions.h"
#include "support/error.h"

namespace partita::api {
namespace {

using ::testing::HasSubstr;

constexpr HarnessOptions kQuick = {
    .threads = 1, .rounds = 3, .sample_seconds = 0, .quiet_seconds = 0};

TEST(MachineLimits, AreFoundForWhatTheLevelHas) {
  MachineLimits limits;
  EXPECT_GT(limits.read_rate(1e6), 0);
  EXPECT_GT(limits.peak_rate(Arithmetic::kF32), 0);
  const auto level = device::usable_instructions();
  EXPECT_EQ(limits.peak_rate(Arithmetic::kInt8) > 0, level >= device::Instructions::kAvx2);
  EXPECT_EQ(limits.peak_rate(Arithmetic::kBF16) > 0, level >= device::Instructions::kAvx512);
}

TEST(Harness, RunsCasesInTurns) {
  std::string order;
  Harness harness("test", kQuick);
  harness.run(
      {{.name = "a", .run = [&] { order += 'a'; }}, {.name = "b", .run = [&] { order += 'b'; }}});
  // Twice to warm up and to count the calls of a round, then three rounds; all of it again if the
  // cores were moved.
  EXPECT_THAT(order, ::testing::AnyOf("aabbababab", "aabbabababaabbababab"));
}

TEST(Harness, ReportsCasesWithTheirLimits) {
  Harness harness("test", kQuick);
  harness.run({{.name = "nothing known", .run = [] {}},
               {.name = "reads", .run = [] {}, .bytes = 1e6},
               {.name = "computes",
                .run = [] {},
                .bytes = 1,
                .operations = 1e9,
                .arithmetic = Arithmetic::kF32}});
  const BenchReport report = harness.report();
  EXPECT_EQ(report.bench, "test");
  EXPECT_EQ(report.threads, 1);
  EXPECT_GT(report.read_bytes_per_second, 0);
  EXPECT_GT(report.f32_operations_per_second, 0);
  EXPECT_EQ(report.bf16_operations_per_second, 0);  // no case asked for it
  ASSERT_EQ(report.lines.size(), 3);
  EXPECT_EQ(report.lines[0].limit, "");
  EXPECT_EQ(report.lines[0].ratio, 0);
  EXPECT_EQ(report.lines[1].limit, "read");
  EXPECT_EQ(report.lines[2].limit, "f32");
  EXPECT_GT(report.lines[2].ratio, 0);
  for (const BenchLine& line : report.lines) {
    EXPECT_LE(line.best_seconds, line.seconds);
    EXPECT_NE(line.placement_before, "");
  }
}

TEST(Harness, SetsTheTeamWhileItLives) {
  const int before = omp_get_max_threads();
  {
    HarnessOptions options = kQuick;
    options.threads = before + 1;
    Harness harness("test", options);
    EXPECT_EQ(omp_get_max_threads(), before + 1);
  }
  EXPECT_EQ(omp_get_max_threads(), before);
}

TEST(BenchKernels, MeasuresEveryTypeAndNumberOfRows) {
  const std::vector<BenchReport> reports = bench_kernels({.threads = {1},
                                                          .ops = {"linear"},
                                                          .n = 2048,
                                                          .k = 8192,
                                                          .rows = {1, 3},
                                                          .rounds = 1,
                                                          .quiet_seconds = 0});
  ASSERT_EQ(reports.size(), 1);
  ASSERT_EQ(reports[0].lines.size(), 8);
  EXPECT_EQ(reports[0].lines[7].name, "linear q4_0 rows 3");
  for (const BenchLine& line : reports[0].lines) {
    EXPECT_GT(line.seconds, 0) << line.name;
    EXPECT_GT(line.ratio, 0) << line.name;
  }
}

TEST(BenchKernels, MeasuresAttentionOverACacheAndOfAPrompt) {
  const std::vector<BenchReport> reports = bench_kernels({.threads = {1},
                                                          .ops = {"attention"},
                                                          .cache_dtypes = {"f32", "f16"},
                                                          .groups = {4},
                                                          .head_dims = {64},
                                                          .context = 1000,
                                                          .prompt = 40,
                                                          .rounds = 1,
                                                          .quiet_seconds = 0});
  ASSERT_EQ(reports.size(), 1);
  ASSERT_EQ(reports[0].lines.size(), 6);
  EXPECT_EQ(reports[0].lines[3].name, "attention f16 group 4 head dim 64 in-order context 1000");
  const BenchLine& decode = reports[0].lines[4];
  EXPECT_EQ(decode.name, "attention f16 group 4 head dim 64 shuffled context 1000");
  EXPECT_EQ(decode.bytes, 2.0 * 1000 * 8 * 64 * 2);
  EXPECT_EQ(decode.limit, "read");
  const BenchLine& prompt = reports[0].lines[5];
  EXPECT_EQ(prompt.name, "attention f16 group 4 head dim 64 prompt 40");
  EXPECT_EQ(prompt.operations, 4.0 * (40 * 41 / 2) * 8 * 4 * 64);
  EXPECT_EQ(prompt.limit, "f32");
  for (const BenchLine& line : reports[0].lines) EXPECT_GT(line.ratio, 0) << line.name;
}

TEST(BenchKernels, MeasuresNearF32BesideFastWithBf16Weights) {
  const std::vector<BenchReport> reports = bench_kernels({.threads = {1},
                                                          .ops = {"linear"},
                                                          .n = 256,
                                                          .k = 2048,
                                                          .dtypes = {"f32", "bf16"},
                                                          .products = {"fast", "near-f32"},
                                                          .rows = {1},
                                                          .rounds = 1,
                                                          .quiet_seconds = 0});
  ASSERT_EQ(reports[0].lines.size(), 3);
  EXPECT_EQ(reports[0].lines[1].name, "linear bf16 rows 1");
  EXPECT_EQ(reports[0].lines[2].name, "linear bf16 near-f32 rows 1");
}

TEST(BenchKernels, RefusesWhatItCannotMeasure) {
  const auto message = [](const KernelBenchOptions& options) -> std::string {
    try {
      (void)bench_kernels(options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(message({.dtypes = {"i8"}}), HasSubstr("\"i8\"; expected f32, bf16"));
  EXPECT_THAT(message({.k = 100, .dtypes = {"q4_0"}}), HasSubstr("k = 100 for q4_0"));
  EXPECT_THAT(message({.products = {"exact"}}), HasSubstr("products \"exact\"; expected fast"));
  EXPECT_THAT(message({.rows = {0}}), HasSubstr("rows = 0"));
  EXPECT_THAT(message({.ops = {"rope"}}), HasSubstr("\"rope\"; expected linear or attention"));
  EXPECT_THAT(message({.cache_dtypes = {"q8_0"}}), HasSubstr("expected f32, bf16 or f16"));
  EXPECT_THAT(message({.blocks = {"random"}}), HasSubstr("\"random\"; expected in-order"));
  EXPECT_THAT(message({.context = 0}), HasSubstr("context = 0"));
  EXPECT_THAT(message({.threads = {0}}), HasSubstr("threads = 0"));
  EXPECT_THAT(message({.n = int64_t{1} << 20, .k = int64_t{1} << 20}), HasSubstr("n * k"));
}

}  // namespace
}  // namespace partita::api
