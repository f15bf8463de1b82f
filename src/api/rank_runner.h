// SPDX-License-Identifier: Apache-2.0
// One rank: loads its shards and runs its steps. Threads and processes use the same.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "engine/candidates.h"
#include "engine/step_runner.h"
#include "formats/checkpoint.h"
#include "ir/graph.h"
#include "partition/partition.h"
#include "plan/plan.h"
#include "runtime/executor.h"

namespace partita::api {

// All that a rank must know to run, without graph, plan and solver.
struct RankPart {
  int rank = 0;     // among all replicas, for messages and reports
  int replica = 0;  // programs of all replicas are alike
  partition::RankProgram program;
  std::vector<std::string> groups;  // of all ranks, in creation order
  ir::SymbolSizes max_sizes;
  comm::AllReduceOptions all_reduce = {};
  double program_seconds = 0;  // that making this has taken, for reports
};

// How the plan lets sums travel.
[[nodiscard]] comm::AllReduceOptions all_reduce_options(const plan::Plan& plan);

// Cuts the part of one rank out of a whole model. `rank` is in 0 .. replicas * ranks of the plan.
[[nodiscard]] RankPart make_rank_part(const ir::Graph& graph, const plan::Plan& plan, int rank);

// What the rank with the logits gives of a step; valid until its next one.
struct RowOutputs {
  std::span<const float> logits;  // [r, vocab_size]; nothing where the batch wants none
  engine::Candidates candidates;  // [r, passes::candidates_of() the model]
};

// Owned and driven by the rank's thread. Example:
//   RankRunner runner(make_rank_part(graph, plan, rank), checkpoint, *world);
//   for (...) use(runner.run(batch).logits);
class RankRunner {
 public:
  // Collective over `world`, which has one rank per rank of the plan and must outlive the runner.
  // Reads the weights from `checkpoint`, which is needed only during the call. Throws what loading
  // throws.
  RankRunner(RankPart part,
             const formats::Checkpoint& checkpoint,
             comm::Communicator& world,
             const runtime::LoadProgress& on_progress = {});

  // Runs one step. Nothing on ranks without logits.
  [[nodiscard]] RowOutputs run(const engine::StepBatch& batch);

  [[nodiscard]] bool has_logits() const { return has_logits_; }
  // Of the last step.
  [[nodiscard]] const engine::RankSpan& last_span() const { return span_; }
  [[nodiscard]] engine::RankReport report() const;

 private:
  [[nodiscard]] std::span<const float> logits_of(std::span<const ops::TensorView> outputs);

  int rank_;
  int replica_;
  int stage_;
  bool has_logits_;
  std::unique_ptr<runtime::Executor> executor_;
  std::vector<int32_t> row_numbers_;     // 0, 1, ... of as many rows as a step may have
  std::vector<float> converted_logits_;  // of models whose logits are not f32
  int64_t bytes_read_ = 0;
  double load_seconds_ = 0;
  double program_seconds_ = 0;
  double step_seconds_ = 0;
  double busy_seconds_ = 0;
  int64_t steps_ = 0;
  engine::RankSpan span_;
};

}  // namespace partita::api
