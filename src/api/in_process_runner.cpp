// SPDX-License-Identifier: Apache-2.0
// Threads as ranks, and what they tell each other.
#include "api/in_process_runner.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "api/step_binding.h"
#include "comm/local/local.h"
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

}  // namespace

// The rank threads. All shared state is guarded by `mutex_`; each round of work is one increment of
// `round_`.
class InProcessRunner::Team {
 public:
  Team(std::vector<RankPart> parts, const OpenCheckpoint& open_checkpoint, InProcessOptions options)
      : options_(std::move(options)),
        worlds_(comm::make_local_group(static_cast<int>(parts.size()))) {
    reports_.resize(parts.size());
    progress_.resize(parts.size());
    working_ = parts.size();
    try {
      for (size_t rank = 0; rank < parts.size(); ++rank) {
        worlds_[rank]->set_timeout(options_.step_timeout);
        threads_.emplace_back(
            [this, rank, &open_checkpoint, part = std::move(parts[rank])]() mutable {
              serve(static_cast<int>(rank), std::move(part), open_checkpoint);
            });
      }
    } catch (const std::system_error& error) {
      end();
      throw Error(ErrorCode::kSystem,
                  str("[engine] cannot start thread ", threads_.size(), " of ", parts.size(), ": ",
                      error.what(), "; use fewer ranks or raise the limit of threads"));
    }
  }

  ~Team() { end(); }

  // Returns when all ranks have loaded; meanwhile passes their progress on.
  void wait_until_loaded() {
    std::unique_lock lock(mutex_);
    while (true) {
      done_.wait(lock, [&] { return working_ == 0 || has_progress_; });
      if (!has_progress_) break;
      has_progress_ = false;
      std::vector<Progress> news(progress_.size());
      std::swap(news, progress_);
      lock.unlock();
      tell(news);
      lock.lock();
    }
    throw_failure();
  }

  engine::StepResult run(const engine::StepBatch& batch) {
    const auto start = std::chrono::steady_clock::now();
    engine::StepResult result;
    begin_round(&batch, &result.logits);
    wait_for_all();
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
  }

  std::vector<engine::RankReport> report() {
    begin_round(nullptr, nullptr);
    wait_for_all();
    return reports_;
  }

 private:
  struct Progress {
    int64_t done_bytes = -1;  // -1 = nothing new
    int64_t total_bytes = 0;
  };

  void end() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (const auto& world : worlds_) world->cancel();
    for (std::thread& thread : threads_) thread.join();
  }

  void note_progress(int rank, Progress progress) {
    {
      const std::lock_guard lock(mutex_);
      progress_[static_cast<size_t>(rank)] = progress;
      has_progress_ = true;
    }
    done_.notify_all();
  }

  void tell(const std::vector<Progress>& news) const {
    for (size_t rank = 0; rank < news.size(); ++rank) {
      if (news[rank].done_bytes >= 0)
        options_.on_progress(static_cast<int>(rank), news[rank].done_bytes, news[rank].total_bytes);
    }
  }

  void serve(int rank, RankPart part, const OpenCheckpoint& open_checkpoint) {
    try {
      share_cores(static_cast<int>(worlds_.size()), options_.threads_per_rank);
      comm::Communicator& world = *worlds_[static_cast<size_t>(rank)];
      std::optional<formats::Checkpoint> checkpoint = open_checkpoint(rank);
      RankRunner runner(std::move(part), *checkpoint, world, [&](int64_t done, int64_t total) {
        if (options_.on_progress) note_progress(rank, {done, total});
      });
      checkpoint.reset();
      finish_round();
      for (uint64_t round = 1; wait_for_round(round); ++round) {
        work(runner, static_cast<size_t>(rank));
        finish_round();
      }
    } catch (const Error& error) {
      fail(outer_code(error.code()), error.code() == ErrorCode::kCancelled, error.what());
    } catch (const std::bad_alloc&) {
      fail(ErrorCode::kOutOfMemory, false,
           str("rank ", rank, ": an allocation failed; use more ranks, --weights q8 or a smaller ",
               "--max-context"));
    } catch (const std::exception& error) {
      fail(ErrorCode::kRankFailed, false, str("rank ", rank, ": ", error.what()));
    }
  }

  void work(RankRunner& runner, size_t rank) {
    if (batch_ == nullptr) {
      reports_[rank] = runner.report();
      return;
    }
    const std::span<const float> logits = runner.run(*batch_);
    if (runner.has_logits()) logits_->assign(logits.begin(), logits.end());
  }

  // batch == nullptr asks for reports.
  void begin_round(const engine::StepBatch* batch, std::vector<float>* logits) {
    {
      const std::lock_guard lock(mutex_);
      throw_failure();
      batch_ = batch;
      logits_ = logits;
      working_ = threads_.size();
      ++round_;
    }
    wake_.notify_all();
  }

  // False when there is no more work. A rank that wakes up late finds the round failed and still
  // counts itself out of it.
  bool wait_for_round(uint64_t round) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return stop_ || failed_ || round_ >= round; });
    const bool is_counted = round_ >= round;
    if (!stop_ && !failed_) return true;
    if (is_counted && --working_ == 0) done_.notify_all();
    return false;
  }

  void finish_round() {
    const std::lock_guard lock(mutex_);
    if (--working_ == 0) done_.notify_all();
  }

  // A cancelled rank is the victim of another: its message stands only until the cause arrives.
  void fail(ErrorCode code, bool is_victim, const std::string& message) {
    {
      const std::lock_guard lock(mutex_);
      if (!failed_ || (failure_is_victim_ && !is_victim)) {
        failure_code_ = code;
        failure_ = message;
        failure_is_victim_ = is_victim;
      }
      failed_ = true;
      --working_;
    }
    for (const auto& world : worlds_) world->cancel();
    wake_.notify_all();
    done_.notify_all();
  }

  // Returns when no rank uses the batch any more: all have finished, failed or left.
  void wait_for_all() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return working_ == 0; });
    if (!failed_) return;
    throw_failure();
  }

  void throw_failure() const {
    if (failed_) throw Error(failure_code_, failure_);
  }

  InProcessOptions options_;
  std::vector<std::unique_ptr<comm::Communicator>> worlds_;
  std::mutex mutex_;
  std::condition_variable wake_;  // a round begins, or the end
  std::condition_variable done_;  // the last rank has finished its round, or there is progress
  uint64_t round_ = 0;
  size_t working_ = 0;  // ranks still busy with this round
  bool stop_ = false;
  bool failed_ = false;
  bool failure_is_victim_ = false;
  ErrorCode failure_code_ = ErrorCode::kRankFailed;
  std::string failure_;
  const engine::StepBatch* batch_ = nullptr;  // written between rounds only
  std::vector<float>* logits_ = nullptr;
  std::vector<engine::RankReport> reports_;  // each written by its rank
  std::vector<Progress> progress_;           // of each rank, not yet told
  bool has_progress_ = false;
  std::vector<std::thread> threads_;
};

InProcessRunner::InProcessRunner(std::vector<RankPart> parts,
                                 engine::RunnerLimits limits,
                                 const OpenCheckpoint& open_checkpoint,
                                 InProcessOptions options)
    : limits_(limits),
      team_(std::make_unique<Team>(std::move(parts), open_checkpoint, std::move(options))) {
  team_->wait_until_loaded();
}

InProcessRunner::~InProcessRunner() = default;

engine::StepResult InProcessRunner::run(const engine::StepBatch& batch) {
  return team_->run(batch);
}

std::vector<engine::RankReport> InProcessRunner::report() { return team_->report(); }

std::unique_ptr<InProcessRunner> make_in_process_runner(const ir::Graph& graph,
                                                        const plan::Plan& plan,
                                                        const OpenCheckpoint& open_checkpoint,
                                                        InProcessOptions options) {
  std::vector<RankPart> parts;
  for (int rank = 0; rank < static_cast<int>(plan.ranks()); ++rank) {
    parts.push_back(make_rank_part(graph, plan, rank));
  }
  return std::make_unique<InProcessRunner>(std::move(parts), limits_of(graph, plan),
                                           open_checkpoint, std::move(options));
}

}  // namespace partita::api
