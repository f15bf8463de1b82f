// SPDX-License-Identifier: Apache-2.0
// Threads as ranks.
#include "api/in_process_runner.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <iterator>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "api/rank_cores.h"
#include "api/stage_region.h"
#include "api/step_binding.h"
#include "api/work_board.h"
#include "comm/local/local.h"
#include "launch/patience.h"
#include "support/allocation_failed.h"
#include "support/error.h"

namespace partita::api {
namespace {

// Codes that mean something to the caller; all others become "a rank failed".
ErrorCode outer_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kInvalidFile:
    case ErrorCode::kNotFound:
    case ErrorCode::kUnsupported:
    case ErrorCode::kOutOfMemory:
    case ErrorCode::kDeadlineExceeded:
      return code;
    case ErrorCode::kInfeasible:
    case ErrorCode::kCancelled:
    case ErrorCode::kRankFailed:
    case ErrorCode::kSystem:
    case ErrorCode::kInternal:
      break;
  }
  return ErrorCode::kRankFailed;
}

int spins_for(size_t ranks, const InProcessOptions& options) {
  const auto count = static_cast<int>(ranks);
  return comm::default_spins(count * threads_of_rank({0, count, options.threads_per_rank}));
}

}  // namespace

// The threads of the ranks; all they share is the board.
class InProcessRunner::Team {
 public:
  Team(std::vector<RankPart> parts,
       size_t replicas,
       const OpenCheckpoint& open_checkpoint,
       InProcessOptions options)
      : options_(std::move(options)),
        ranks_per_replica_(parts.size() / replicas),
        board_(replicas, ranks_per_replica_) {
    CHECK(parts.size() % replicas == 0);
    connect(replicas);
    start(std::move(parts), open_checkpoint);
    try {
      board_.wait_until_loaded(options_.on_progress);
    } catch (...) {
      end();
      throw;
    }
  }

  ~Team() { end(); }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  [[nodiscard]] WorkBoard& board() { return board_; }

 private:
  // A group for each replica.
  void connect(size_t replicas) {
    const size_t ranks = replicas * ranks_per_replica_;
    comm::RegionOptions region = options_.region;
    region.spins = spins_for(ranks, options_);
    for (size_t replica = 0; replica < replicas; ++replica) {
      auto group = comm::make_local_group(static_cast<int>(ranks_per_replica_), region);
      std::move(group.begin(), group.end(), std::back_inserter(worlds_));
    }
    for (const auto& world : worlds_) world->set_timeout(options_.step_timeout);
  }

  void start(std::vector<RankPart> parts, const OpenCheckpoint& open_checkpoint) {
    try {
      for (size_t rank = 0; rank < parts.size(); ++rank) {
        threads_.emplace_back(
            [this, rank, &open_checkpoint, part = std::move(parts[rank])]() mutable {
              live(static_cast<int>(rank), std::move(part), open_checkpoint);
            });
      }
    } catch (const std::system_error& error) {
      end();
      throw Error(ErrorCode::kSystem,
                  str("[engine] cannot start thread ", threads_.size(), " of ", parts.size(), ": ",
                      error.what(), "; use fewer ranks or raise the limit of threads"));
    }
  }

  void end() {
    board_.end();
    cancel_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  void cancel_all() {
    for (const auto& world : worlds_) world->cancel();
  }

  // The whole life of a rank, on its thread: whatever goes wrong ends up on the board.
  void live(int rank, RankPart part, const OpenCheckpoint& open_checkpoint) {
    try {
      serve(rank, std::move(part), open_checkpoint);
    } catch (const Error& error) {
      fail({outer_code(error.code()), error.what(), error.code() == ErrorCode::kCancelled});
    } catch (const std::bad_alloc&) {
      fail({ErrorCode::kOutOfMemory, str("rank ", rank, ": ", kAllocationFailed)});
    } catch (const std::exception& error) {
      fail({ErrorCode::kRankFailed, str("rank ", rank, ": ", error.what())});
    }
    board_.leave();
  }

  void fail(RankFailure failure) {
    board_.fail(std::move(failure));
    cancel_all();
  }

  // Loads and does what is on the board until there is no more.
  void serve(int rank, RankPart part, const OpenCheckpoint& open_checkpoint) {
    const bool is_bound =
        take_cores({rank, static_cast<int>(worlds_.size()), options_.threads_per_rank});
    const auto patience = is_bound ? launch::kRankPatience : std::chrono::microseconds(0);
    std::optional<formats::Checkpoint> checkpoint = open_checkpoint(rank);
    RankRunner runner(
        std::move(part), *checkpoint, *worlds_[static_cast<size_t>(rank)],
        [&](int64_t done, int64_t total) { board_.note_progress(rank, done, total); });
    checkpoint.reset();
    board_.note_loaded();
    for (uint64_t number = 0;; ++number) {
      RankWork* work = board_.next(rank, number, patience);
      if (work == nullptr) return;
      if (work->batch) {
        compute(runner, static_cast<size_t>(rank) % ranks_per_replica_, *work);
      } else {
        board_.put_report(rank, runner.report());
      }
      board_.finish(*work);
    }
  }

  static void compute(RankRunner& runner, size_t rank_of_replica, RankWork& work) {
    const RowOutputs rows = runner.run(*work.batch);
    if (runner.has_logits()) {
      const auto& [logits, tokens] = rows.candidates;
      work.result.logits.assign(rows.logits.begin(), rows.logits.end());
      work.result.candidate_logits.assign(logits.begin(), logits.end());
      work.result.candidate_tokens.assign(tokens.begin(), tokens.end());
    }
    work.result.spans[rank_of_replica] = runner.last_span();
  }

  InProcessOptions options_;
  size_t ranks_per_replica_;
  WorkBoard board_;
  std::vector<std::unique_ptr<comm::Communicator>> worlds_;  // by rank, of its replica
  std::vector<std::thread> threads_;
};

InProcessRunner::InProcessRunner(std::vector<RankPart> parts,
                                 engine::RunnerLimits limits,
                                 const OpenCheckpoint& open_checkpoint,
                                 InProcessOptions options)
    : limits_(limits),
      team_(std::make_unique<Team>(std::move(parts),
                                   static_cast<size_t>(limits.replicas),
                                   open_checkpoint,
                                   std::move(options))) {}

InProcessRunner::~InProcessRunner() = default;

void InProcessRunner::submit(int replica, const engine::StepBatch& batch) {
  team_->board().submit(replica, batch, limits_.steps_in_flight);
}

const engine::StepResult& InProcessRunner::wait() { return team_->board().wait(); }

std::vector<engine::RankReport> InProcessRunner::report() { return team_->board().report(); }

std::unique_ptr<InProcessRunner> make_in_process_runner(const ir::Graph& graph,
                                                        const plan::Plan& plan,
                                                        const OpenCheckpoint& open_checkpoint,
                                                        InProcessOptions options) {
  options.region = region_for(graph, plan);
  std::vector<RankPart> parts;
  for (int rank = 0; rank < static_cast<int>(plan.ranks() * plan.replicas); ++rank) {
    parts.push_back(make_rank_part(graph, plan, rank));
  }
  return std::make_unique<InProcessRunner>(std::move(parts), limits_of(graph, plan),
                                           open_checkpoint, std::move(options));
}

}  // namespace partita::api
