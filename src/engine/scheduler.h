// SPDX-License-Identifier: Apache-2.0
// Decides which tokens of which sequences the next step computes, and gives them cache blocks.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "engine/block_pool.h"
#include "engine/sequence.h"
#include "engine/step_runner.h"

namespace partita::engine {

// A step as planned: the batch, and for every sequence in it how many tokens it computes.
struct ScheduledStep {
  struct Part {
    Sequence* sequence = nullptr;
    int64_t tokens = 0;
    bool wants_logits = false;  // the part ends at the sequence's last token
  };
  std::vector<Part> parts;  // row i of the block tables belongs to parts[i]
  StepBatch batch;
};

// Continuous batching with chunked prefill: every step first takes one token of each decoding
// sequence, then fills the rest of max_step_tokens with prefill chunks in order of arrival. When
// blocks run out, the youngest running sequence gives its blocks back and is computed again later
// from its tokens. Owned by one thread.
class Scheduler {
 public:
  explicit Scheduler(const RunnerLimits& limits);

  void add(std::unique_ptr<Sequence> sequence);
  [[nodiscard]] bool idle() const { return waiting_.empty() && running_.empty(); }
  // The next step; empty parts when idle. The pointers are valid until finish_step().
  [[nodiscard]] ScheduledStep next_step();
  // Counts the step's tokens as cached and removes sequences whose finish reason is set.
  void finish_step(const ScheduledStep& step);
  // Removes a sequence in any state and returns it; null when unknown.
  std::unique_ptr<Sequence> remove(int64_t id);
  // Forgets what is cached, after the ranks were lost: all sequences will be computed again.
  void restart();

 private:
  void admit_waiting();
  void preempt_youngest();
  [[nodiscard]] bool reserve_blocks(Sequence& sequence, int64_t positions);
  void add_part(ScheduledStep& step, Sequence& sequence, int64_t tokens) const;
  void fill_block_tables(ScheduledStep& step) const;
  void release(Sequence& sequence);

  RunnerLimits limits_;
  BlockPool pool_;
  std::deque<std::unique_ptr<Sequence>> waiting_;   // by arrival
  std::vector<std::unique_ptr<Sequence>> running_;  // by arrival
};

}  // namespace partita::engine
