// SPDX-License-Identifier: Apache-2.0
#include "planner/search/traffic_replica.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace partita::planner {
void TrafficReplica::add(size_t request, double now_s, std::vector<SimulatedRequest>& requests) {
  if (skipped_ > 0 && !is_full()) {
    // Back to the round that has begun, and in it to now; nothing ends before all are taken.
    const auto begun = static_cast<int64_t>(std::floor((now_s - skipped_from_s_) / round_s_));
    shift(std::clamp<int64_t>(begun, 0, skipped_) - skipped_, requests);
    skipped_ = 0;
    while (step_end_s() < now_s) {
      const double end_s = step_end_s();
      finish_step(requests);
      start_steps(end_s, requests);
    }
  }
  waiting_.push_back(request);
}

void TrafficReplica::start_steps(double now_s, std::vector<SimulatedRequest>& requests) {
  while (!waiting_.empty() && !is_full()) {
    running_.push_back(waiting_.front());
    waiting_.pop_front();
    history_.clear();
  }
  while (true) {
    const bool reads_prompts = std::any_of(running_.begin(), running_.end(),
                                           [&](size_t id) { return requests[id].prompt_left > 0; });
    if (steps_.size() >= stages_.size() + (reads_prompts && stages_.size() > 1 ? 1 : 0)) return;
    Step step = next_step(requests);
    if (step.parts.empty()) return;
    launch(std::move(step), now_s, requests);
    skip_rounds(now_s, requests);
  }
}

int64_t TrafficReplica::finish_step(std::vector<SimulatedRequest>& requests) {
  const Step step = std::move(steps_.front());
  steps_.pop_front();
  skipped_ = 0;
  int64_t finished = 0;
  for (const Part& part : step.parts) {
    SimulatedRequest& request = requests[part.request];
    if (!part.gives_token) continue;
    request.awaits_token = false;
    if (request.first_token_s == 0) request.first_token_s = step.end_s;
    if (--request.output_left > 0) continue;
    request.end_s = step.end_s;
    std::erase(running_, part.request);
    history_.clear();
    ++finished;
  }
  return finished;
}

// The share of the decoding sequences that are back, then prompts in order of arrival.
TrafficReplica::Step TrafficReplica::next_step(const std::vector<SimulatedRequest>& requests) {
  int64_t pending = 0;
  int64_t decoding = 0;
  for (const size_t id : running_) {
    pending += requests[id].prompt_left;
    decoding += requests[id].prompt_left == 0 ? 1 : 0;
  }
  prefill_wave_ = pending > 0 ? std::max(prefill_wave_, pending) : 0;
  const auto stages = static_cast<int64_t>(stages_.size());
  int64_t share = (decoding + stages - 1) / stages;
  Step step;
  for (const size_t id : running_) {
    if (share == 0) break;
    if (requests[id].prompt_left > 0 || requests[id].awaits_token) continue;
    step.parts.push_back({.request = id});
    --share;
  }
  int64_t room = std::min(stages_.front().chunk_tokens - static_cast<int64_t>(step.parts.size()),
                          chunk_tokens(prefill_wave_));
  for (const size_t id : running_) {
    if (room <= 0 || pending == 0) break;
    const int64_t tokens = std::min(room, requests[id].prompt_left);
    if (tokens == 0) continue;
    step.parts.push_back({.request = id, .prompt_tokens = tokens});
    room -= tokens;
  }
  return step;
}

// As the engine cuts prompts for several stages (engine/step_size.h): m equal steps, m =
// sqrt((stages - 1) * pending / overhead).
int64_t TrafficReplica::chunk_tokens(int64_t pending) const {
  const int64_t most = stages_.front().chunk_tokens;
  if (stages_.size() == 1 || pending <= 1) return most;
  double decode_s = 0;
  double prefill_s = 0;
  for (const StepTimes& stage : stages_) {
    decode_s += stage.decode_one_s;
    prefill_s += stage.prefill_s;
  }
  const double overhead_tokens = std::max(1.0, static_cast<double>(most) * decode_s / prefill_s);
  const auto tokens = static_cast<double>(pending);
  const double steps =
      std::sqrt(static_cast<double>(stages_.size() - 1) * tokens / overhead_tokens);
  return static_cast<int64_t>(std::clamp(std::ceil(tokens / std::max(1.0, std::round(steps))), 1.0,
                                         static_cast<double>(most)));
}

// Every stage takes it when it has it and is free.
void TrafficReplica::launch(Step step, double now_s, std::vector<SimulatedRequest>& requests) {
  int64_t prompt_tokens = 0;
  int64_t decoding = 0;
  for (Part& part : step.parts) {
    SimulatedRequest& request = requests[part.request];
    request.prompt_left -= part.prompt_tokens;
    part.gives_token = request.awaits_token = request.prompt_left == 0;
    prompt_tokens += part.prompt_tokens;
    decoding += part.prompt_tokens == 0 ? 1 : 0;
  }
  if (prompt_tokens > 0) history_.clear();
  step.end_s = now_s;
  for (size_t stage = 0; stage < stages_.size(); ++stage) {
    step.end_s =
        std::max(step.end_s, free_s_[stage]) + stages_[stage].step_s(decoding, prompt_tokens);
    free_s_[stage] = step.end_s;
  }
  steps_.push_back(std::move(step));
}

TrafficReplica::State TrafficReplica::state(double now_s) const {
  State state{.now_s = now_s, .times_s = {}, .steps = {}};
  for (const Step& step : steps_) {
    state.times_s.push_back(step.end_s - now_s);
    state.steps.push_back(step.parts);
  }
  // What a stage did before now makes no difference.
  for (const double free_s : free_s_) state.times_s.push_back(std::max(0.0, free_s - now_s));
  return state;
}

// Once a round has ended as the one before, the next ones do too.
void TrafficReplica::skip_rounds(double now_s, std::vector<SimulatedRequest>& requests) {
  const bool all_decode = std::all_of(running_.begin(), running_.end(), [&](size_t id) {
    return requests[id].awaits_token || requests[id].prompt_left == 0;
  });
  const bool is_pure = std::all_of(steps_.begin(), steps_.end(), [](const Step& step) {
    return std::all_of(step.parts.begin(), step.parts.end(),
                       [](const Part& part) { return part.prompt_tokens == 0; });
  });
  if (!all_decode || !is_pure) return history_.clear();
  history_.push_back(state(now_s));
  const size_t round = steps_.size();
  if (history_.size() <= round) return;
  const State& now = history_.back();
  const State& before = history_[history_.size() - 1 - round];
  const double round_s = now.now_s - before.now_s;
  // A difference of two late times is as exact as they are.
  const double tolerance_s = 1e-9 * round_s + 1e-14 * now_s;
  const bool repeats = round_s > 0 && now.steps == before.steps &&
                       std::equal(now.times_s.begin(), now.times_s.end(), before.times_s.begin(),
                                  before.times_s.end(), [&](double a, double b) {
                                    return std::abs(a - b) <= tolerance_s;
                                  });
  while (history_.size() > round) history_.pop_front();
  if (!repeats) return;
  int64_t rounds = std::numeric_limits<int64_t>::max();
  for (const size_t id : running_) rounds = std::min(rounds, requests[id].output_left - 1);
  if (rounds <= 0) return;
  history_.clear();
  skipped_from_s_ = now_s;
  round_s_ = round_s;
  shift(rounds, requests);
}

// Takes so many more rounds, or fewer, as taken: one token of each sequence and round.
void TrafficReplica::shift(int64_t rounds, std::vector<SimulatedRequest>& requests) {
  skipped_ += rounds;
  const double seconds = static_cast<double>(rounds) * round_s_;
  for (const size_t id : running_) requests[id].output_left -= rounds;
  for (Step& step : steps_) step.end_s += seconds;
  for (double& free_s : free_s_) free_s += seconds;
}

}  // namespace partita::planner
