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
    bool is_decode = false;     // one token, which was sampled
  };
  std::vector<Part> parts;  // row i of the block tables belongs to parts[i]
  StepBatch batch;
};

// Continuous batching with chunked prefill for the steps of one replica, several of which may be in
// flight. A step takes its share of the decoding sequences, one token each, then prefill chunks in
// order of arrival.
//
// - The next token of a sequence is unknown until its step is back, so it decodes in one step at a
//   time; chunks of its prompt may follow each other. The decoding sequences are divided into as
//   many steps as there are stages; one more step than stages waits in front of the first stage
//   while there are prompts to read.
// - When blocks run out, the youngest running sequence gives its blocks back and is computed again
//   later from its tokens.
// - A sequence that is in flight keeps its blocks until its steps are back, also when it has ended.
//
// Owned by one thread.
class Scheduler {
 public:
  explicit Scheduler(const RunnerLimits& limits);

  void add(std::unique_ptr<Sequence> sequence);
  // No sequence is left that has not ended.
  [[nodiscard]] bool idle() const;
  // How much there is to do, to compare replicas.
  [[nodiscard]] int64_t sequences() const;

  // The next step; no parts when there is nothing to do, or nothing until a step is back. It is in
  // flight from now on: give it back, in this order, to finish_step() or abandon_step(). The
  // pointers are valid until then.
  [[nodiscard]] ScheduledStep next_step();
  // Counts the step's tokens as cached. Blocks that nobody needs any more are free afterwards;
  // sequences that have ended stay until drop_ended().
  void finish_step(const ScheduledStep& step);
  // The same for a step whose logits are lost: their rows are computed again.
  void abandon_step(const ScheduledStep& step);
  void drop_ended();

  // Ends a sequence in any state with kCancelled. Returns it, null when it is unknown or has ended;
  // valid until the next call of a function that is not const.
  const Sequence* cancel(int64_t id);
  // Forgets what is cached and in flight, after the ranks were lost: all sequences will be computed
  // again.
  void restart();
  // The same, and hands over all sequences that have not ended, by arrival.
  [[nodiscard]] std::vector<std::unique_ptr<Sequence>> hand_over();

 private:
  using Sequences = std::vector<std::unique_ptr<Sequence>>;

  void admit_waiting();
  [[nodiscard]] int64_t pending_prefill() const;
  void add_decoding(ScheduledStep& step);
  void add_prefill(ScheduledStep& step, int64_t pending);
  [[nodiscard]] bool make_room(Sequence& sequence, int64_t positions);
  [[nodiscard]] bool preempt_younger_than(const Sequence& sequence);
  // Cache blocks of a sequence that nothing but its max_tokens or the context ends.
  [[nodiscard]] int64_t most_blocks(const Sequence& sequence) const;
  [[nodiscard]] bool reserve_blocks(Sequence& sequence, int64_t positions);
  static void add_part(ScheduledStep& step, Sequence& sequence, int64_t tokens);
  static void fill_block_tables(ScheduledStep& step);
  void settle();
  void release(Sequence& sequence);

  RunnerLimits limits_;
  BlockPool pool_;
  Sequences waiting_;  // by arrival
  Sequences running_;  // by arrival
  Sequences ended_;    // hold no blocks and are in no step
  int64_t steps_in_flight_ = 0;
  // The most tokens of prompts that waited at once since none did: the size of their steps stays
  // while they get fewer, because steps of equal cost keep the stages in time.
  int64_t prefill_wave_ = 0;
};

}  // namespace partita::engine
