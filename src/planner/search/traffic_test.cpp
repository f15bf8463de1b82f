// SPDX-License-Identifier: Apache-2.0
#include "planner/search/traffic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

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

// Stages that take as long however many sequences there are.
std::vector<StepTimes> stages_of(const std::vector<double>& seconds, int64_t sequences) {
  std::vector<StepTimes> stages;
  for (const double stage_s : seconds) {
    stages.push_back({.decode_one_s = stage_s,
                      .decode_full_s = stage_s,
                      .prefill_s = stage_s,
                      .max_sequences = sequences,
                      .chunk_tokens = 512});
  }
  return stages;
}

// As many clients as there are places; reading prompts and the end of the last ones count little.
double tokens_per_s(const std::vector<double>& seconds, int64_t sequences) {
  const Traffic traffic = {
      .clients = sequences, .prompt_tokens = 1, .output_tokens = 2000, .requests = 100 * sequences};
  return simulate_traffic(traffic, stages_of(seconds, sequences), 1).tokens_per_s;
}

// A round of k steps takes its steps at the slowest stage, but no less than one step all stages.
TEST(SimulateTraffic, PipelinesGiveAStepPerTimeOfTheSlowestStage) {
  const std::vector<double> equal(4, 0.001);
  EXPECT_NEAR(tokens_per_s(equal, 1), 1000.0 / 4, 3);   // it waits for its step
  EXPECT_NEAR(tokens_per_s(equal, 2), 1000.0 / 2, 10);  // two stages are idle
  EXPECT_NEAR(tokens_per_s(equal, 4), 1000.0, 20);      // a step of one, all stages busy
  EXPECT_NEAR(tokens_per_s(equal, 5), 5000.0 / 4, 25);  // steps of two, two and one
  EXPECT_NEAR(tokens_per_s(equal, 8), 2 * 1000.0, 40);  // steps of two
  const std::vector<double> unequal = {0.001, 0.003, 0.001, 0.001};
  EXPECT_NEAR(tokens_per_s(unequal, 1), 1000.0 / 6, 2);
  EXPECT_NEAR(tokens_per_s(unequal, 4), 1000.0 / 3, 7);
}

// It need not wait until the rounds that are alike have been taken.
TEST(SimulateTraffic, ARequestJoinsAPipelineWhenItsFirstStageIsFree) {
  const Traffic traffic = {
      .requests_per_s = 0.001, .prompt_tokens = 1, .output_tokens = 1'000'000, .requests = 8};
  const TrafficResult result =
      simulate_traffic(traffic, stages_of({0.001, 0.001, 0.001, 0.001}, 8), 1);
  EXPECT_GE(result.first_token_p50_s, 0.004 - 1e-9);
  EXPECT_LE(result.first_token_p95_s, 0.006 + 1e-9);  // two steps may be before it
  EXPECT_TRUE(result.keeps_up);
}

// Chunks of a prompt follow each other through the stages: 4 stages work on it at the same time.
TEST(SimulateTraffic, PromptsAreCutForTheStages) {
  const Traffic traffic = {.clients = 1, .prompt_tokens = 2048, .output_tokens = 1, .requests = 20};
  std::vector<StepTimes> stages(4, kTimes);
  for (StepTimes& stage : stages) stage.prefill_s = 0.100;
  StepTimes whole = kTimes;
  whole.decode_one_s *= 4;
  whole.decode_full_s *= 4;
  whole.prefill_s *= 4;
  const double pipelined = simulate_traffic(traffic, stages, 1).first_token_p50_s;
  const double serial = simulate_traffic(traffic, whole, 1).first_token_p50_s;
  EXPECT_LT(pipelined, 0.6 * serial);
  EXPECT_GT(pipelined, serial / 4);
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
