// SPDX-License-Identifier: Apache-2.0
// For tests: the ranks of a group, played by threads.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/small_batch.h"
#include "launch/process_group.h"
#include "launch/step_codec.h"

namespace partita::launch {

using engine::batch_of;

inline constexpr engine::RunnerLimits kLimits{.vocab_size = 3,
                                              .max_context = 8,
                                              .max_step_tokens = 8,
                                              .max_sequences = 1,
                                              .kv_blocks = 2,
                                              .block_size = 4};
inline const Json kReady = {{"plan_hash", "abc"}, {"limits", to_json(kLimits)}};

struct Address {
  std::string control;
  std::string secret;
};

// "PARTITA_CONTROL=... PARTITA_SECRET=..."
inline Address parse_address(const std::string& variables) {
  const size_t space = variables.find(' ');
  const auto value = [](const std::string& text) { return text.substr(text.find('=') + 1); };
  return {value(variables.substr(0, space)), value(variables.substr(space + 1))};
}

inline Channel greet(const Address& address, int64_t rank, int64_t world_size) {
  Channel channel = connect_to(address.control);
  channel.send_json(FrameType::kHello,
                    Json{{"rank", rank}, {"world_size", world_size}, {"secret", address.secret}});
  return channel;
}

inline std::optional<Frame> next_frame(Channel& channel) {
  return channel.receive(Clock::time_point::max());
}

// Hears everything and says nothing, until the channel ends.
inline void stay_silent(Channel& channel) {
  while (next_frame(channel)) {
  }
}

inline void send_result(Channel& channel, std::span<const float> logits) {
  channel.send(result_frame(encode_result_head({.begin = 1, .end = 2}), logits));
}

// A rank that becomes ready and answers everything; `logits` are those of every step.
inline void serve(Channel channel, std::vector<float> logits) {
  while (const auto frame = next_frame(channel)) {
    if (frame->type == FrameType::kSetup) channel.send_json(FrameType::kReady, kReady);
    if (frame->type == FrameType::kStep) send_result(channel, logits);
    if (frame->type == FrameType::kReport)
      channel.send_json(FrameType::kReport, to_json(engine::RankReport{}));
    if (frame->type == FrameType::kShutdown) return;
  }
}

// Runs ranks and strangers on threads while a group is under test, and waits for their end.
class Players {
 public:
  void play(std::function<void()> part) {
    parts_.push_back(std::async(std::launch::async, std::move(part)));
  }
  // Ranks that serve until they are told to leave or lose the frontend.
  void play_good_rank(const Address& address, int rank, std::vector<float> logits = {}) {
    play([=] { serve(greet(address, rank, 2), logits); });
  }
  // A rank that answers the setup as `answer` does, then waits for the end.
  void play_rank(const Address& address, int rank, std::function<void(Channel&)> answer) {
    play([=] {
      Channel channel = greet(address, rank, 2);
      if (!next_frame(channel)) return;
      answer(channel);
      stay_silent(channel);
    });
  }

 private:
  std::vector<std::future<void>> parts_;  // their destructors wait
};

using Script = std::function<void(Players&, const Address&)>;

inline ProcessGroupOptions options_for(Players& players, const Script& script) {
  ProcessGroupOptions options;
  options.launcher = Launcher::kExternal;
  options.ranks = 2;
  options.start_timeout = std::chrono::seconds(20);
  options.plan_hash = "abc";
  options.setup = Json::object();
  options.on_external = [&players, script](const std::string& variables) {
    script(players, parse_address(variables));
  };
  return options;
}

// Two stages that are played by two ranks: three steps in flight.
inline Json ready_for(int64_t replicas) {
  engine::RunnerLimits limits = kLimits;
  limits.replicas = replicas;
  limits.stages = 2;
  limits.steps_in_flight = 3;
  return {{"plan_hash", "abc"}, {"limits", to_json(limits)}};
}

// A rank that answers each step with `logits`, the first of them set to the token of the step.
inline void serve_tokens(Channel channel, int64_t replicas, std::vector<float> logits) {
  while (const auto frame = next_frame(channel)) {
    if (frame->type == FrameType::kSetup) channel.send_json(FrameType::kReady, ready_for(replicas));
    if (frame->type == FrameType::kReport)
      channel.send_json(FrameType::kReport, to_json(engine::RankReport{}));
    if (frame->type == FrameType::kShutdown) return;
    if (frame->type != FrameType::kStep) continue;
    engine::StepBatch batch;
    decode_batch(frame->payload, batch);
    if (!logits.empty()) logits[0] = static_cast<float>(batch.token_ids[0]);
    send_result(channel, logits);
  }
}

}  // namespace partita::launch
