// SPDX-License-Identifier: Apache-2.0
#include "engine/scheduler.h"

#include <algorithm>

#include "support/error.h"

namespace partita::engine {

Scheduler::Scheduler(const RunnerLimits& limits) : limits_(limits), pool_(limits.kv_blocks) {}

void Scheduler::add(std::unique_ptr<Sequence> sequence) { waiting_.push_back(std::move(sequence)); }

ScheduledStep Scheduler::next_step() {
  admit_waiting();
  ScheduledStep step;
  int64_t budget = limits_.max_step_tokens;
  // Decoding sequences go first: a long prompt must not stall the others' next token.
  for (const bool decoding : {true, false}) {
    for (size_t i = 0; i < running_.size() && budget > 0; ++i) {
      Sequence& sequence = *running_[i];
      if (sequence.is_decoding() != decoding) continue;
      const int64_t tokens = std::min(budget, sequence.length() - sequence.cached);
      while (!reserve_blocks(sequence, sequence.cached + tokens)) {
        if (running_.size() == i + 1) break;  // it is the youngest itself
        preempt_youngest();
      }
      if (static_cast<int64_t>(sequence.blocks.size()) * limits_.block_size <
          sequence.cached + tokens) {
        break;  // waits for blocks; older sequences go on
      }
      add_part(step, sequence, tokens);
      budget -= tokens;
    }
  }
  CHECK(!step.parts.empty() || idle(), "sequences are in flight but none can be computed");
  fill_block_tables(step);
  return step;
}

void Scheduler::finish_step(const ScheduledStep& step) {
  for (const ScheduledStep::Part& part : step.parts) {
    part.sequence->cached += part.tokens;
    if (part.sequence->finish != FinishReason::kNone) release(*part.sequence);
  }
  std::erase_if(running_,
                [](const auto& sequence) { return sequence->finish != FinishReason::kNone; });
}

std::unique_ptr<Sequence> Scheduler::remove(int64_t id) {
  const auto has_id = [id](const auto& sequence) { return sequence->id == id; };
  const auto take_from = [&](auto& list) -> std::unique_ptr<Sequence> {
    const auto found = std::find_if(list.begin(), list.end(), has_id);
    if (found == list.end()) return nullptr;
    std::unique_ptr<Sequence> sequence = std::move(*found);
    list.erase(found);
    release(*sequence);
    return sequence;
  };
  if (auto sequence = take_from(running_)) return sequence;
  return take_from(waiting_);
}

void Scheduler::restart() {
  while (!running_.empty()) preempt_youngest();
}

void Scheduler::admit_waiting() {
  while (!waiting_.empty() && static_cast<int64_t>(running_.size()) < limits_.max_sequences) {
    // A sequence starts only when its whole present length fits, else it would be preempted at
    // once.
    const int64_t blocks =
        (waiting_.front()->length() + limits_.block_size - 1) / limits_.block_size;
    if (blocks > pool_.free_blocks()) return;
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    const bool reserved = reserve_blocks(*running_.back(), running_.back()->length());
    CHECK(reserved);
  }
}

void Scheduler::preempt_youngest() {
  release(*running_.back());
  waiting_.push_front(std::move(running_.back()));
  running_.pop_back();
}

bool Scheduler::reserve_blocks(Sequence& sequence, int64_t positions) {
  while (static_cast<int64_t>(sequence.blocks.size()) * limits_.block_size < positions) {
    if (pool_.free_blocks() == 0) return false;
    sequence.blocks.push_back(pool_.take());
  }
  return true;
}

void Scheduler::add_part(ScheduledStep& step, Sequence& sequence, int64_t tokens) const {
  StepBatch& batch = step.batch;
  const auto row = static_cast<int32_t>(step.parts.size());
  for (int64_t position = sequence.cached; position < sequence.cached + tokens; ++position) {
    batch.token_ids.push_back(sequence.tokens[static_cast<size_t>(position)]);
    batch.positions.push_back(static_cast<int32_t>(position));
    batch.sequence_ids.push_back(row);
  }
  const bool wants_logits = sequence.cached + tokens == sequence.length();
  if (wants_logits) batch.logit_rows.push_back(static_cast<int32_t>(batch.token_ids.size()) - 1);
  step.parts.push_back({&sequence, tokens, wants_logits});
}

void Scheduler::fill_block_tables(ScheduledStep& step) const {
  StepBatch& batch = step.batch;
  batch.sequences = static_cast<int64_t>(step.parts.size());
  for (const auto& part : step.parts) {
    batch.blocks_per_sequence =
        std::max(batch.blocks_per_sequence, static_cast<int64_t>(part.sequence->blocks.size()));
  }
  batch.block_tables.assign(static_cast<size_t>(batch.sequences * batch.blocks_per_sequence), -1);
  for (size_t row = 0; row < step.parts.size(); ++row) {
    const std::vector<int32_t>& blocks = step.parts[row].sequence->blocks;
    std::copy(blocks.begin(), blocks.end(),
              batch.block_tables.begin() + static_cast<int64_t>(row) * batch.blocks_per_sequence);
  }
}

void Scheduler::release(Sequence& sequence) {
  pool_.give_back(sequence.blocks);
  sequence.cached = 0;
}

}  // namespace partita::engine
