// SPDX-License-Identifier: Apache-2.0
// What the way of a step between frontend and rank processes allocates once it is warm: nothing.
#include <gtest/gtest.h>

#include <exception>
#include <string>
#include <thread>

#include "api/step_binding.h"
#include "launch/played_ranks.h"
#include "launch/process_group.h"
#include "launch/step_codec.h"
#include "runtime/counting_new.h"

namespace partita::api {
namespace {

using launch::Channel;
using launch::Clock;
using launch::Frame;
using launch::FrameType;

constexpr int kRanks = 2;
constexpr int64_t kStepsInFlight = 3;
constexpr engine::RunnerLimits kLimits{.vocab_size = 1000,
                                       .max_context = 64,
                                       .max_step_tokens = 16,
                                       .max_sequences = 2,
                                       .kv_blocks = 8,
                                       .block_size = 16,
                                       .stages = 2,
                                       .steps_in_flight = kStepsInFlight};

// What a rank process does around its program, which is left out. The last one has the logits.
void play_rank(const launch::Address& address, int rank) {
  Channel channel = launch::greet(address, rank, kRanks);
  channel.set_patience(std::chrono::microseconds(100));
  const std::vector<float> logits(static_cast<size_t>(2 * kLimits.vocab_size), 0.5F);
  engine::StepBatch batch;
  Frame frame;
  while (channel.receive(frame, Clock::time_point::max())) {
    if (frame.type == FrameType::kSetup) {
      channel.send_json(FrameType::kReady,
                        Json{{"plan_hash", "abc"}, {"limits", launch::to_json(kLimits)}});
    }
    if (frame.type == FrameType::kShutdown) return;
    if (frame.type != FrameType::kStep) continue;
    launch::decode_batch(frame.payload, batch);
    check_batch(batch, kLimits);
    const auto rows = rank + 1 == kRanks ? batch.logit_rows.size() : 0;
    const auto values = std::span(logits).first(rows * static_cast<size_t>(kLimits.vocab_size));
    channel.send(launch::result_frame(launch::encode_result_head({.begin = 1, .end = 2}), values));
  }
}

engine::StepBatch decode_step() {
  return {.token_ids = {7, 8},
          .positions = {17, 3},
          .sequence_ids = {0, 1},
          .block_tables = {1, 0, 2, -1},
          .sequences = 2,
          .blocks_per_sequence = 2,
          .logit_rows = {0, 1}};
}

TEST(ChannelAllocations, WarmStepsBetweenFrontendAndRanksAllocateNothing) {
  std::vector<std::jthread> ranks;
  launch::ProcessGroupOptions options;
  options.launcher = launch::Launcher::kExternal;
  options.ranks = kRanks;
  options.plan_hash = "abc";
  options.setup = Json::object();
  options.on_external = [&](const std::string& variables) {
    const launch::Address address = launch::parse_address(variables);
    for (int rank = 0; rank < kRanks; ++rank)
      ranks.emplace_back([=] { EXPECT_NO_THROW(play_rank(address, rank)); });
  };
  launch::ProcessGroup group(std::move(options));
  const engine::StepBatch two_rows = decode_step();
  engine::StepBatch no_rows = two_rows;
  no_rows.logit_rows.clear();
  double sum = 0;
  const auto run = [&](int steps) {
    for (int step = 0; step < steps; ++step) {
      for (int64_t i = 0; i < kStepsInFlight; ++i) group.submit(0, i == 1 ? no_rows : two_rows);
      for (int64_t i = 0; i < kStepsInFlight; ++i) {
        for (const float logit : group.wait().logits) sum += logit;
      }
    }
  };
  run(20);
  const int64_t before = runtime::allocations_so_far();
  run(100);
  EXPECT_EQ(runtime::allocations_so_far(), before);
  EXPECT_EQ(sum, 120 * 2 * 2 * kLimits.vocab_size * 0.5);
}

}  // namespace
}  // namespace partita::api
