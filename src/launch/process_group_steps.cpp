// SPDX-License-Identifier: Apache-2.0
// Steps of a group: handed over, taken back in order, in memory that is used again.
#include <algorithm>
#include <cstring>
#include <iterator>

#include "launch/process_group.h"
#include "launch/step_codec.h"
#include "support/error.h"

namespace partita::launch {
namespace {

// Bytes of whole elements; returns how many of them. `to` keeps its memory.
template <typename T>
int64_t copy_values(std::span<const std::byte> bytes, std::vector<T>& to) {
  to.resize(bytes.size() / sizeof(T));
  if (!to.empty()) std::memcpy(to.data(), bytes.data(), to.size() * sizeof(T));
  return static_cast<int64_t>(to.size());
}

}  // namespace

void ProcessGroup::submit(int replica, const engine::StepBatch& batch) {
  throw_if_dead();
  Steps& steps = replicas_.at(static_cast<size_t>(replica)).steps;
  if (is_lost(replica)) return;
  const auto in_flight = static_cast<int64_t>(steps.size());
  CHECK(in_flight < limits_.steps_in_flight, in_flight, " steps are in flight");
  const int ranks = ranks_per_replica();
  const int first = replica * ranks;
  // The front one may still be read by the caller.
  if (spare_steps_.size() < 2) spare_steps_.emplace_back();
  const auto place = std::prev(spare_steps_.end());
  StepInFlight& step = *place;
  step.begin = Clock::now();
  const auto rows = static_cast<int64_t>(batch.logit_rows.size());
  step.logits = batch.whole_logits ? rows * limits_.vocab_size : 0;
  step.candidates = rows * limits_.candidates;
  step.result.replica = replica;
  step.received_logits = 0;
  step.received_candidates = 0;
  step.result.spans.resize(static_cast<size_t>(ranks));
  encode(batch, encoded_);
  const auto take = [&step](int rank, const Frame& frame) { take_part(step, rank, frame); };
  step.round = begin_round({.request = FrameType::kStep,
                            .answer = FrameType::kStepDone,
                            .doing = "computing a step",
                            .remedy = "raise --step-timeout-ms, or ",
                            .timeout = options_.step_timeout,
                            .first_rank = first,
                            .end_rank = first + ranks,
                            .take = take},
                           encoded_);
  // Only now is it one that wait() can finish.
  if (step.round != nullptr) steps.splice(steps.end(), spare_steps_, place);
}

void ProcessGroup::take_part(StepInFlight& step, int rank, const Frame& frame) {
  RankResult part = decode_result(frame.payload);
  if (!part.logits.empty()) step.received_logits = copy_values(part.logits, step.result.logits);
  if (!part.candidate_tokens.empty()) {
    copy_values(part.candidate_logits, step.result.candidate_logits);
    step.received_candidates = copy_values(part.candidate_tokens, step.result.candidate_tokens);
  }
  part.span.rank = rank;
  step.result.spans[static_cast<size_t>(rank) % step.result.spans.size()] = part.span;
}

const engine::StepResult& ProcessGroup::wait() {
  throw_if_dead();
  const auto has_steps = [](const Replica& replica) { return !replica.steps.empty(); };
  CHECK(!losses_.empty() || std::ranges::any_of(replicas_, has_steps), "no step is in flight");
  while (losses_.empty()) {
    if (const auto replica = next_finished()) {
      try {
        return finish_step(*replica);
      } catch (const ReplicaLost& lost) {
        lose(lost);
      }
    } else {
      serve_ranks();
    }
  }
  return tell_loss();
}

// In turn, so that a fast replica does not keep the others waiting.
std::optional<size_t> ProcessGroup::next_finished() const {
  for (size_t i = 1; i <= replicas_.size(); ++i) {
    const size_t replica = (last_served_ + i) % replicas_.size();
    const Steps& steps = replicas_[replica].steps;
    if (!steps.empty() && steps.front().round->waiting == 0) return replica;
  }
  return std::nullopt;
}

const engine::StepResult& ProcessGroup::finish_step(size_t replica) {
  last_served_ = replica;
  Steps& steps = replicas_[replica].steps;
  spare_steps_.splice(spare_steps_.begin(), steps, steps.begin());
  StepInFlight& done = spare_steps_.front();
  last_step_ = Clock::now() - done.begin;
  forget_round(*done.round);
  done.result.logits.resize(static_cast<size_t>(done.received_logits));
  done.result.candidate_logits.resize(static_cast<size_t>(done.received_candidates));
  done.result.candidate_tokens.resize(static_cast<size_t>(done.received_candidates));
  if (done.received_logits == done.logits && done.received_candidates == done.candidates) {
    return done.result;
  }
  fail_rank(static_cast<int>(replica) * ranks_per_replica(), ErrorCode::kRankFailed,
            str("the ranks sent ", done.received_logits, " logits, expected ", done.logits,
                ", and ", done.received_candidates, " candidates, expected ", done.candidates,
                "; do frontend and ranks run the same version?"));
}

}  // namespace partita::launch
