// SPDX-License-Identifier: Apache-2.0
#include "planner/search/traffic.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/error.h"

namespace partita::planner {
namespace {

// Decoding 8 sequences costs little more than one, as when reading weights dominates.
constexpr StepTimes kTimes = {.decode_one_s = 0.010,
                              .decode_full_s = 0.012,
                              .prefill_s = 0.100,
                              .max_sequences = 8,
                              .chunk_tokens = 512};

TEST(StepTimes, TakeTheLineBetweenThePricedBatches) {
  EXPECT_DOUBLE_EQ(kTimes.step_s(1, 0), 0.010);
  EXPECT_DOUBLE_EQ(kTimes.step_s(8, 0), 0.012);
  EXPECT_DOUBLE_EQ(kTimes.step_s(0, 512), 0.100);
  EXPECT_DOUBLE_EQ(kTimes.step_s(0, 256), 0.050);
  EXPECT_DOUBLE_EQ(kTimes.step_s(0, 1), 0.010);  // reads all weights all the same
}

TEST(SimulateTraffic, OneRequestAloneTakesItsSteps) {
  // Draw 0 and 1 fix the lengths; the time follows from them.
  const TrafficResult result = simulate_traffic(
      {.clients = 1, .prompt_tokens = 512, .output_tokens = 100, .requests = 1}, kTimes, 1);
  const double output = std::round((result.request_p50_s - result.first_token_p50_s) / 0.010) + 1;
  EXPECT_GE(output, 50);
  EXPECT_LE(output, 150);
  // The first token comes with the last prompt chunk: 256 to 768 tokens.
  EXPECT_GE(result.first_token_p50_s, 0.050 - 1e-9);
  EXPECT_LE(result.first_token_p50_s, 0.160);
  EXPECT_NEAR(result.tokens_per_s, output / result.request_p50_s, 1e-6);
}

// Steps that are alike are taken together: millions of tokens cost no more than a few.
TEST(SimulateTraffic, LongAnswersTakeTheirSteps) {
  const int64_t most = int64_t{1} << 24;
  const TrafficResult alone = simulate_traffic(
      {.clients = 1, .prompt_tokens = 1, .output_tokens = most, .requests = 3}, kTimes, 1);
  EXPECT_NEAR(alone.tokens_per_s, 1 / 0.010, 1e-3);
  // One that comes while another one decodes joins at the next step, as if each were taken alone.
  const TrafficResult together = simulate_traffic(
      {.clients = 8, .prompt_tokens = 1, .output_tokens = most, .requests = 8}, kTimes, 1);
  EXPECT_LE(together.first_token_p95_s, 2 * 0.012 + 1e-9);
  EXPECT_GT(together.tokens_per_s, 5 * alone.tokens_per_s);
  const TrafficResult arriving = simulate_traffic(
      {.requests_per_s = 0.001, .prompt_tokens = 1, .output_tokens = 1'000'000, .requests = 8},
      kTimes, 1);
  EXPECT_LE(arriving.first_token_p95_s, 2 * 0.012 + 1e-9);
}

TEST(SimulateTraffic, BatchingRaisesThroughput) {
  const Traffic one = {.clients = 1, .prompt_tokens = 16, .output_tokens = 64};
  Traffic eight = one;
  eight.clients = 8;
  const double alone = simulate_traffic(one, kTimes, 1).tokens_per_s;
  const double together = simulate_traffic(eight, kTimes, 1).tokens_per_s;
  EXPECT_GT(together, 4 * alone);
  EXPECT_LT(together, 8 * alone);
}

TEST(SimulateTraffic, ReplicasShareTheClients) {
  const Traffic traffic = {.clients = 16, .prompt_tokens = 64, .output_tokens = 64};
  const TrafficResult one = simulate_traffic(traffic, kTimes, 1);
  const TrafficResult two = simulate_traffic(traffic, kTimes, 2);
  // 16 clients wait for 8 places, or have a place each.
  EXPECT_GT(two.tokens_per_s, 1.8 * one.tokens_per_s);
  EXPECT_LT(two.request_p95_s, one.request_p95_s);
}

TEST(SimulateTraffic, SlowArrivalsAreServedAtTheirRate) {
  const Traffic traffic = {
      .requests_per_s = 1, .prompt_tokens = 32, .output_tokens = 32, .requests = 400};
  const TrafficResult result = simulate_traffic(traffic, kTimes, 1);
  EXPECT_TRUE(result.keeps_up);
  EXPECT_NEAR(result.tokens_per_s, 32, 6);
}

TEST(SimulateTraffic, ArrivalsFasterThanServiceDoNotKeepUp) {
  const Traffic traffic = {
      .requests_per_s = 200, .prompt_tokens = 512, .output_tokens = 128, .requests = 400};
  EXPECT_FALSE(simulate_traffic(traffic, kTimes, 1).keeps_up);
  EXPECT_GT(simulate_traffic(traffic, kTimes, 4).tokens_per_s,
            3 * simulate_traffic(traffic, kTimes, 1).tokens_per_s);
}

TEST(SimulateTraffic, RepeatsExactlyAndDependsOnTheSeed) {
  Traffic traffic = {.requests_per_s = 5, .prompt_tokens = 100, .output_tokens = 50, .seed = 7};
  const TrafficResult first = simulate_traffic(traffic, kTimes, 2);
  EXPECT_EQ(first, simulate_traffic(traffic, kTimes, 2));
  traffic.seed = 8;
  EXPECT_NE(first, simulate_traffic(traffic, kTimes, 2));
}

TEST(SimulateTraffic, RefusesAbsurdNumbers) {
  EXPECT_THROW((void)simulate_traffic({.clients = 0}, kTimes, 1), Error);
  EXPECT_THROW((void)simulate_traffic({.prompt_tokens = -1}, kTimes, 1), Error);
  EXPECT_THROW((void)simulate_traffic({.requests_per_s = -1}, kTimes, 1), Error);
  EXPECT_THROW((void)simulate_traffic({.requests_per_s = NAN}, kTimes, 1), Error);
  EXPECT_THROW((void)simulate_traffic({}, kTimes, 0), Error);
}

}  // namespace
}  // namespace partita::planner
