// SPDX-License-Identifier: Apache-2.0
// Runs a plan inside this process: one thread per rank.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "api/rank_runner.h"
#include "comm/communicator.h"
#include "comm/region/region.h"
#include "engine/step_runner.h"
#include "formats/checkpoint.h"

namespace partita::api {

struct InProcessOptions {
  std::chrono::milliseconds step_timeout{10000};
  int threads_per_rank = 0;         // 0 = cores / ranks, at least 1
  comm::RegionOptions region = {};  // of each replica
  // Called while the ranks load, on the thread that constructs the runner, which throws what it
  // throws.
  std::function<void(int rank, int64_t done_bytes, int64_t total_bytes)> on_progress;
};

// Opens the checkpoint of one rank; called once on each rank's thread, so that every rank counts
// its own reads.
using OpenCheckpoint = std::function<formats::Checkpoint(int rank)>;

// Virtual ranks over a local communicator. The first rank that fails cancels the others; its error
// is thrown with code kRankFailed (kDeadlineExceeded, kInvalidArgument and kOutOfMemory keep
// theirs) and the runner is unusable afterwards. Owned and called by one thread; the destructor
// ends and joins all ranks.
class InProcessRunner : public engine::StepRunner {
 public:
  // Starts the ranks and waits until all have loaded. `parts` = one per rank, in order, those of
  // the first replica first.
  InProcessRunner(std::vector<RankPart> parts,
                  engine::RunnerLimits limits,
                  const OpenCheckpoint& open_checkpoint,
                  InProcessOptions options = {});
  ~InProcessRunner() override;

  [[nodiscard]] const engine::RunnerLimits& limits() const override { return limits_; }
  void submit(int replica, const engine::StepBatch& batch) override;
  [[nodiscard]] const engine::StepResult& wait() override;
  [[nodiscard]] std::vector<engine::RankReport> report() override;

 private:
  class Team;
  engine::RunnerLimits limits_;
  std::unique_ptr<Team> team_;
};

// A runner for a whole model: cuts the parts of all ranks and starts them.
[[nodiscard]] std::unique_ptr<InProcessRunner> make_in_process_runner(
    const ir::Graph& graph,
    const plan::Plan& plan,
    const OpenCheckpoint& open_checkpoint,
    InProcessOptions options = {});

}  // namespace partita::api
