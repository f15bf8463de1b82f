// SPDX-License-Identifier: Apache-2.0
#include "engine/scheduler.h"

#include <algorithm>
#include <span>
#include <utility>

#include "engine/batch_rows.h"
#include "engine/step_size.h"
#include "support/error.h"
#include "support/integers.h"

namespace partita::engine {
namespace {

using Sequences = std::vector<std::unique_ptr<Sequence>>;

void insert_by_arrival(Sequences& list, std::unique_ptr<Sequence> sequence) {
  const auto place = std::upper_bound(
      list.begin(), list.end(), sequence->id,
      [](int64_t id, const std::unique_ptr<Sequence>& other) { return id < other->id; });
  list.insert(place, std::move(sequence));
}

// Moves the sequences that `chosen` holds for out of `list`, in order.
template <typename Chosen>
Sequences take_if(Sequences& list, const Chosen& chosen) {
  if (std::none_of(list.begin(), list.end(), [&](const auto& one) { return chosen(*one); }))
    return {};
  const auto first =
      std::stable_partition(list.begin(), list.end(),
                            [&](const std::unique_ptr<Sequence>& one) { return !chosen(*one); });
  Sequences taken(std::make_move_iterator(first), std::make_move_iterator(list.end()));
  list.erase(first, list.end());
  return taken;
}

// Takes part in steps.
bool is_active(const Sequence& sequence) { return !sequence.has_ended() && !sequence.preempted; }

}  // namespace

Scheduler::Scheduler(const RunnerLimits& limits) : limits_(limits), pool_(limits.kv_blocks) {}

void Scheduler::add(std::unique_ptr<Sequence> sequence) {
  insert_by_arrival(waiting_, std::move(sequence));
}

bool Scheduler::idle() const { return sequences() == 0; }

int64_t Scheduler::sequences() const {
  const auto live = std::count_if(running_.begin(), running_.end(),
                                  [](const auto& sequence) { return !sequence->has_ended(); });
  return live + static_cast<int64_t>(waiting_.size());
}

ScheduledStep Scheduler::next_step() {
  admit_waiting();
  ScheduledStep step;
  const int64_t pending = pending_prefill();
  const int64_t most =
      pending > 0 ? limits_.steps_in_flight : std::min(limits_.stages, limits_.steps_in_flight);
  if (steps_in_flight_ >= most) return step;
  // Decoding sequences go first: a long prompt must not stall the others' next token.
  add_decoding(step);
  add_prefill(step, pending);
  CHECK(!step.parts.empty() || steps_in_flight_ > 0 || idle(),
        "there are sequences but none can be computed");
  if (step.parts.empty()) return step;
  fill_block_tables(step);
  ++steps_in_flight_;
  for (const ScheduledStep::Part& part : step.parts) {
    part.sequence->planned += part.tokens;
    ++part.sequence->steps_in_flight;
  }
  return step;
}

void Scheduler::finish_step(const ScheduledStep& step) {
  --steps_in_flight_;
  for (const ScheduledStep::Part& part : step.parts) {
    part.sequence->cached += part.tokens;
    --part.sequence->steps_in_flight;
  }
  settle();
}

void Scheduler::abandon_step(const ScheduledStep& step) {
  for (const ScheduledStep::Part& part : step.parts) {
    if (!part.wants_logits) continue;
    // Nothing of the sequence follows this part.
    part.sequence->planned -= part.tokens;
    part.sequence->cached -= part.tokens;
  }
  finish_step(step);
}

void Scheduler::drop_ended() {
  settle();
  ended_.clear();
}

const Sequence* Scheduler::cancel(int64_t id) {
  for (Sequences* list : {&running_, &waiting_}) {
    const auto found =
        std::find_if(list->begin(), list->end(), [id](const auto& one) { return one->id == id; });
    if (found == list->end()) continue;
    Sequence* sequence = found->get();
    if (sequence->has_ended()) return nullptr;
    sequence->finish = FinishReason::kCancelled;
    settle();
    return sequence;
  }
  return nullptr;
}

void Scheduler::restart() {
  steps_in_flight_ = 0;
  for (const std::unique_ptr<Sequence>& sequence : running_) {
    sequence->steps_in_flight = 0;
    sequence->preempted = true;
  }
  settle();
}

std::vector<std::unique_ptr<Sequence>> Scheduler::hand_over() {
  restart();
  drop_ended();
  return std::exchange(waiting_, {});
}

void Scheduler::admit_waiting() {
  while (!waiting_.empty() && static_cast<int64_t>(running_.size()) < limits_.max_sequences) {
    // A sequence starts only when its whole present length fits, else it would be preempted at
    // once.
    const int64_t blocks = ceil_div(waiting_.front()->length(), limits_.block_size);
    if (blocks > pool_.free_blocks()) return;
    std::unique_ptr<Sequence> sequence = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    sequence->kept_blocks = pool_.keep(most_blocks(*sequence));
    const bool reserved = reserve_blocks(*sequence, sequence->length());
    CHECK(reserved);
    insert_by_arrival(running_, std::move(sequence));
  }
}

int64_t Scheduler::pending_prefill() const {
  int64_t tokens = 0;
  for (const auto& sequence : running_) {
    if (is_active(*sequence) && !sequence->is_decoding())
      tokens += sequence->length() - sequence->planned;
  }
  return tokens;
}

void Scheduler::add_decoding(ScheduledStep& step) {
  const auto decoding = std::count_if(running_.begin(), running_.end(), [](const auto& sequence) {
    return is_active(*sequence) && sequence->is_decoding();
  });
  int64_t share = std::min(ceil_div(decoding, limits_.stages), limits_.max_step_tokens);
  for (size_t i = 0; i < running_.size() && share > 0; ++i) {
    Sequence& sequence = *running_[i];
    if (!is_active(sequence) || !sequence.is_decoding() || sequence.awaits_token()) continue;
    if (!make_room(sequence, sequence.length())) return;  // waits; older sequences go on
    add_part(step, sequence, 1);
    --share;
  }
}

void Scheduler::add_prefill(ScheduledStep& step, int64_t pending) {
  prefill_wave_ = pending > 0 ? std::max(prefill_wave_, pending) : 0;
  if (pending == 0) return;
  const auto decoding = static_cast<int64_t>(step.parts.size());
  int64_t budget = prefill_tokens(chunk_tokens(prefill_wave_, limits_), decoding, limits_);
  for (size_t i = 0; i < running_.size() && budget > 0; ++i) {
    Sequence& sequence = *running_[i];
    if (!is_active(sequence) || sequence.is_decoding()) continue;
    // Its blocks were reserved when it was admitted.
    const int64_t tokens = std::min(budget, sequence.length() - sequence.planned);
    add_part(step, sequence, tokens);
    budget -= tokens;
  }
}

// False when it has to wait for blocks.
bool Scheduler::make_room(Sequence& sequence, int64_t positions) {
  while (!reserve_blocks(sequence, positions)) {
    if (!preempt_younger_than(sequence)) return false;
  }
  return true;
}

// Takes the blocks of the youngest one that is in no step. False when there is none: then the
// youngest takes part in no further step, so that its blocks come free.
bool Scheduler::preempt_younger_than(const Sequence& sequence) {
  Sequence* youngest = nullptr;
  for (auto at = running_.rbegin(); at != running_.rend() && (*at)->id > sequence.id; ++at) {
    Sequence& victim = **at;
    if (!is_active(victim)) return false;  // its blocks come free already
    if (victim.steps_in_flight == 0) {
      victim.preempted = true;
      settle();
      return true;
    }
    if (youngest == nullptr) youngest = &victim;
  }
  if (youngest != nullptr) youngest->preempted = true;
  return false;
}

int64_t Scheduler::most_blocks(const Sequence& sequence) const {
  const int64_t emitted = std::min(sequence.request.max_tokens, limits_.max_context);
  const int64_t length = static_cast<int64_t>(sequence.request.prompt.size()) + emitted;
  return ceil_div(std::min(length, limits_.max_context), limits_.block_size);
}

bool Scheduler::reserve_blocks(Sequence& sequence, int64_t positions) {
  while (static_cast<int64_t>(sequence.blocks.size()) * limits_.block_size < positions) {
    if (pool_.free_blocks() == 0) return false;
    sequence.blocks.push_back(pool_.take(sequence.blocks, sequence.kept_blocks));
  }
  return true;
}

void Scheduler::add_part(ScheduledStep& step, Sequence& sequence, int64_t tokens) {
  StepBatch& batch = step.batch;
  const int64_t end = sequence.planned + tokens;
  add_row(sequence.tokens, sequence.planned, end, batch);
  const bool wants_logits = end == sequence.length();
  if (wants_logits) batch.logit_rows.push_back(static_cast<int32_t>(batch.token_ids.size()) - 1);
  step.parts.push_back({.sequence = &sequence,
                        .tokens = tokens,
                        .wants_logits = wants_logits,
                        .is_decode = tokens == 1 && wants_logits && sequence.emitted() > 0});
}

void Scheduler::fill_block_tables(ScheduledStep& step) {
  std::vector<std::span<const int32_t>> rows;
  for (const ScheduledStep::Part& part : step.parts) rows.emplace_back(part.sequence->blocks);
  set_block_tables(rows, step.batch);
}

// Takes sequences that have ended or were preempted out of the running ones when none of their
// steps is in flight.
void Scheduler::settle() {
  const auto leaves = [](const Sequence& one) {
    return one.steps_in_flight == 0 && (one.has_ended() || one.preempted);
  };
  for (std::unique_ptr<Sequence>& sequence : take_if(running_, leaves)) {
    release(*sequence);
    if (sequence->has_ended()) {
      ended_.push_back(std::move(sequence));
    } else {
      insert_by_arrival(waiting_, std::move(sequence));
    }
  }
  const auto has_ended = [](const Sequence& one) { return one.has_ended(); };
  for (std::unique_ptr<Sequence>& sequence : take_if(waiting_, has_ended))
    ended_.push_back(std::move(sequence));
}

void Scheduler::release(Sequence& sequence) {
  pool_.give_back(sequence.blocks, sequence.kept_blocks);
  sequence.cached = 0;
  sequence.planned = 0;
  sequence.preempted = false;
}

}  // namespace partita::engine
