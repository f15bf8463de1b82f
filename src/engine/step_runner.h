// SPDX-License-Identifier: Apache-2.0
// The seam between scheduling and execution: one step over a batch of tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "partita/error.h"

namespace partita::engine {

// Input of one step over a flat list of tokens of several sequences.
struct StepBatch {
  std::vector<int32_t> token_ids;     // [t]
  std::vector<int32_t> positions;     // [t] position of the token in its sequence, from 0
  std::vector<int32_t> sequence_ids;  // [t] row of block_tables the token belongs to
  std::vector<int32_t>
      block_tables;  // [s, m] row major: KV cache block of each block_size positions; -1 = unused
  int64_t sequences = 0;            // s
  int64_t blocks_per_sequence = 0;  // m
  std::vector<int32_t>
      logit_rows;  // [r] indices of tokens whose logits are wanted, ascending; may be empty
  bool whole_logits = true;  // off: their candidates do
};

// When a rank worked on a step, in seconds of its host's monotonic clock. Between two steps it had
// nothing to do.
struct RankSpan {
  int rank = 0;
  double begin = 0;
  double end = 0;
  double receiving = 0;  // of that, waiting for the stages before and taking their values
  double sending = 0;    // and passing values to the stages behind

  [[nodiscard]] double busy_seconds() const { return end - begin - receiving - sending; }
};

struct StepResult {
  int replica = 0;
  std::vector<float> logits;  // [r, vocab_size]; nothing where the batch does not want them
  std::vector<float> candidate_logits;    // [r, limits().candidates], see candidates.h
  std::vector<int32_t> candidate_tokens;  // likewise
  std::vector<RankSpan> spans;            // of all ranks of the replica, in their order
  // Instead of a result: why the replica is gone, with all its steps in flight. Empty for steps.
  std::string loss = {};
};

// Sizes the scheduler must respect.
struct RunnerLimits {
  int64_t vocab_size = 0;
  int64_t max_context = 0;      // positions per sequence
  int64_t max_step_tokens = 0;  // t
  int64_t max_sequences = 0;    // s
  int64_t kv_blocks = 0;        // blocks in the cache of every rank
  int64_t block_size = 0;       // positions per block
  int64_t candidates = 0;       // of each row of logits, that come back with every step
  int64_t replicas = 1;         // each with a cache of its own; all other limits are for one
  int64_t stages = 1;           // so many steps keep all ranks of a replica busy
  int64_t steps_in_flight = 1;  // most steps of a replica that are handed over and not back
  // What a step costs beside its tokens (reading the weights, starting kernels), as so many tokens
  // of a prompt; 0 = unknown.
  double step_overhead_tokens = 0;
};

// Cost of one kind of collective on one rank since load.
struct CollectiveReport {
  std::string kind;
  int64_t calls = 0;
  int64_t payload_bytes = 0;
  int64_t wire_bytes = 0;
  double seconds = 0;
  double waiting = 0;  // of these, for peers that had not come yet, where the transport can tell
};

// What the nodes of one operator have cost on one rank since load.
struct OpReport {
  std::string op;
  int64_t calls = 0;
  double seconds = 0;
};

// Seconds of loading one rank, one after the other.
struct LoadSeconds {
  double program = 0;  // importing the model and cutting out the rank's part
  double read = 0;     // reading weights, or waiting for threads that read them
  double pack = 0;     // binding kernels, which pack their weights, while others are being read
  double buffers = 0;  // memory of caches and activations
};

struct RankReport {
  int rank = 0;  // of all replicas: those of the first one come first
  int replica = 0;
  bool is_lost = false;  // with its replica: nothing below is known
  int stage = 0;
  int64_t pid = 0;
  int64_t weight_bytes = 0;
  int64_t kv_bytes = 0;
  int64_t activation_bytes = 0;
  int64_t bytes_read = 0;      // from the checkpoint, headers included
  int64_t peak_rss_bytes = 0;  // of the process (shared by virtual ranks)
  double load_seconds = 0;
  LoadSeconds load;
  double step_seconds = 0;  // sum over steps
  double busy_seconds = 0;  // of these; the rest is for messages between stages
  int64_t steps = 0;
  std::vector<CollectiveReport> collectives;
  std::vector<OpReport> ops;  // collectives, as operators of the program, included
};

// Executes steps on all ranks. The steps of a replica run and come back in the order they were
// handed over; its stages work on different ones at the same time. Owned and called by one thread.
// A runner of several replicas may lose one and go on with the others: wait() then says so, once.
// After an error (kRankFailed, kDeadlineExceeded or kCancelled, naming the rank) the runner is
// unusable, all its ranks are gone and so are the steps in flight. Example:
//   runner.submit(0, first);
//   runner.submit(0, second);
//   use(runner.wait().logits);  // of the first; the second goes on meanwhile
class StepRunner {
 public:
  virtual ~StepRunner() = default;
  [[nodiscard]] virtual const RunnerLimits& limits() const = 0;
  // Hands a step to the ranks of a replica and returns; the batch may be changed afterwards. CHECKs
  // that fewer than limits().steps_in_flight are in flight there. What is handed to a replica that
  // is lost goes nowhere.
  virtual void submit(int replica, const StepBatch& batch) = 0;
  // Waits until the oldest step in flight of some replica is done, and returns the logits of the
  // asked rows, or until a replica is lost; valid until the next call. CHECKs that there is a step
  // in flight or a loss to tell.
  [[nodiscard]] virtual const StepResult& wait() = 0;
  // What the ranks did since they were loaded, in order of ranks; of lost ones only who they were.
  // Waits for the steps in flight now, whose results wait() still gives, after losses that were
  // seen here first.
  [[nodiscard]] virtual std::vector<RankReport> report() = 0;

  // One step of the first replica from begin to end. No other may be in flight. Throws kRankFailed
  // when a replica is lost meanwhile, or was and wait() has not said so yet.
  [[nodiscard]] StepResult run(const StepBatch& batch) {
    submit(0, batch);
    const StepResult& result = wait();
    if (!result.loss.empty()) throw Error(ErrorCode::kRankFailed, result.loss);
    return result;
  }
};

}  // namespace partita::engine
