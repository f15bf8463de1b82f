// SPDX-License-Identifier: Apache-2.0
// What the thread of an engine and the threads of its ranks tell each other.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/step_runner.h"
#include "partita/error.h"

namespace partita::api {

// Something for all ranks of a replica: a step, or without batch a report.
struct RankWork {
  std::optional<engine::StepBatch> batch;
  size_t working = 0;  // ranks that have not finished it
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  engine::StepResult result = {};  // of a step: written by one rank, each span by its own
};

// The work of one replica, oldest first. Its ranks keep references to what they work on: a deque
// moves none. Guarded by the board, but for `end`.
struct WorkQueue {
  std::deque<RankWork> work;
  std::atomic<uint64_t> end = 0;  // number behind the last one; for those who look
  uint64_t first = 0;             // number of the first one
  int64_t steps = 0;              // handed over and not yet given back

  RankWork& push(RankWork more);
  void pop();
  void pop_finished_reports();
};

// Why the ranks stop. That of a victim stands only until its cause is known.
struct RankFailure {
  ErrorCode code = ErrorCode::kRankFailed;
  std::string message;
  bool is_victim = false;  // cancelled because another rank had failed
};

// Hands work from one thread, that of the engine, to the threads of the ranks and results back.
// Thread-safe; who may call a function stands above it. Ranks finish the work of their replica in
// order. After a failure, the calls of the engine's thread throw it once all ranks have left.
class WorkBoard {
 public:
  using OnProgress = std::function<void(int rank, int64_t done_bytes, int64_t total_bytes)>;

  WorkBoard(size_t replicas, size_t ranks_per_replica);

  // For the engine's thread.

  // Returns when all ranks have loaded; meanwhile passes their progress on.
  void wait_until_loaded(const OnProgress& on_progress);
  void submit(int replica, const engine::StepBatch& batch, int64_t most_in_flight);
  // The oldest step that is finished; valid until the next call.
  [[nodiscard]] const engine::StepResult& wait();
  [[nodiscard]] std::vector<engine::RankReport> report();
  // Lets all ranks leave.
  void end();

  // For the thread of a rank.

  void note_progress(int rank, int64_t done_bytes, int64_t total_bytes);
  void note_loaded();
  // The work with this number, from 0; null when there is none any more. Looks for it as long as
  // `patience`, then sleeps until it comes.
  [[nodiscard]] RankWork* next(int rank, uint64_t number, std::chrono::microseconds patience);
  void put_report(int rank, engine::RankReport report);
  void finish(RankWork& work);
  void fail(RankFailure failure);
  // The last call of every rank, also of one that has failed.
  void leave();

 private:
  struct Progress {
    int64_t done_bytes = -1;  // -1 = nothing new
    int64_t total_bytes = 0;
  };

  [[nodiscard]] WorkQueue& queue_of(int rank);
  void throw_failure(std::unique_lock<std::mutex>& lock);
  void look_for_news(std::unique_lock<std::mutex>& lock);

  const size_t ranks_per_replica_;
  std::mutex mutex_;              // guards all below that is not atomic
  std::condition_variable wake_;  // there is more to do, or the end
  std::condition_variable done_;  // something is finished, failed, or there is progress
  std::vector<WorkQueue> queues_;
  std::deque<size_t> finished_;  // replicas of finished steps, in that order
  engine::StepResult result_;    // given back last
  std::vector<engine::RankReport> reports_;
  std::vector<Progress> progress_;  // of each rank, not yet passed on
  bool has_progress_ = false;
  size_t loading_;  // ranks
  size_t present_;
  size_t reporting_ = 0;
  std::optional<RankFailure> failure_;
  std::atomic<bool> is_over_ = false;  // ended or failed; for those who look
  std::atomic<uint64_t> news_ = 0;     // steps finished and failures; for those who look
  std::chrono::steady_clock::duration last_step_ = std::chrono::steady_clock::duration::max();
};

}  // namespace partita::api
