// SPDX-License-Identifier: Apache-2.0
// The seam between scheduling and execution: one step over a batch of tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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
};

struct StepResult {
  std::vector<float> logits;  // [r, vocab_size]
  double seconds = 0;         // wall time of the step
};

// Sizes the scheduler must respect.
struct RunnerLimits {
  int64_t vocab_size = 0;
  int64_t max_context = 0;      // positions per sequence
  int64_t max_step_tokens = 0;  // t
  int64_t max_sequences = 0;    // s
  int64_t kv_blocks = 0;        // blocks in the cache of every rank
  int64_t block_size = 0;       // positions per block
};

// Cost of one kind of collective on one rank since load.
struct CollectiveReport {
  std::string kind;
  int64_t calls = 0;
  int64_t payload_bytes = 0;
  int64_t wire_bytes = 0;
  double seconds = 0;
};

// What the nodes of one operator have cost on one rank since load.
struct OpReport {
  std::string op;
  int64_t calls = 0;
  double seconds = 0;
};

struct RankReport {
  int rank = 0;
  int stage = 0;
  int64_t pid = 0;
  int64_t weight_bytes = 0;
  int64_t kv_bytes = 0;
  int64_t activation_bytes = 0;
  int64_t bytes_read = 0;      // from the checkpoint, headers included
  int64_t peak_rss_bytes = 0;  // of the process (shared by virtual ranks)
  double load_seconds = 0;
  double step_seconds = 0;  // sum over steps
  int64_t steps = 0;
  std::vector<CollectiveReport> collectives;
  std::vector<OpReport> ops;  // collectives, as operators of the program, included
};

// Executes steps on all ranks of one replica. Owned and called by one thread.
class StepRunner {
 public:
  virtual ~StepRunner() = default;
  [[nodiscard]] virtual const RunnerLimits& limits() const = 0;
  // Runs one step on all ranks and returns the logits of the asked rows. Throws kRankFailed,
  // kDeadlineExceeded or kCancelled (naming the rank); after that the runner is unusable and all
  // its ranks are gone.
  [[nodiscard]] virtual StepResult run(const StepBatch& batch) = 0;
  [[nodiscard]] virtual std::vector<RankReport> report() = 0;
};

}  // namespace partita::engine
