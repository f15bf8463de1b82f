// SPDX-License-Identifier: Apache-2.0
// Threads as ranks, and what they tell each other.
#include "api/in_process_runner.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <iterator>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "api/rank_cores.h"
#include "api/stage_region.h"
#include "api/step_binding.h"
#include "comm/local/local.h"
#include "launch/patience.h"
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

// The rank threads, and for each replica a queue of what its ranks do in order. All shared state is
// guarded by `mutex_`.
class InProcessRunner::Team {
 public:
  Team(std::vector<RankPart> parts,
       int replicas,
       const OpenCheckpoint& open_checkpoint,
       InProcessOptions options)
      : options_(std::move(options)),
        ranks_per_replica_(parts.size() / static_cast<size_t>(replicas)),
        queues_(static_cast<size_t>(replicas)),
        reports_(parts.size()),
        progress_(parts.size()) {
    CHECK(parts.size() % queues_.size() == 0);
    for (int replica = 0; replica < replicas; ++replica) {
      comm::RegionOptions region = options_.region;
      region.spins = spins_for(parts.size(), options_);
      auto group = comm::make_local_group(static_cast<int>(ranks_per_replica_), region);
      std::move(group.begin(), group.end(), std::back_inserter(worlds_));
    }
    loading_ = alive_ = parts.size();
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
      done_.wait(lock, [&] { return loading_ == 0 || failed_ || has_progress_; });
      if (!has_progress_) break;
      has_progress_ = false;
      std::vector<Progress> news(progress_.size());
      std::swap(news, progress_);
      lock.unlock();
      tell(news);
      lock.lock();
    }
    throw_failure(lock);
  }

  void submit(int replica, const engine::StepBatch& batch, int64_t most_in_flight) {
    {
      std::unique_lock lock(mutex_);
      throw_failure(lock);
      Queue& queue = queues_.at(static_cast<size_t>(replica));
      CHECK(queue.steps < most_in_flight, queue.steps, " steps are in flight");
      ++queue.steps;
      queue.items.push_back({.batch = batch, .working = ranks_per_replica_});
      queue.items.back().spans.resize(ranks_per_replica_);
      ++queue.end;
    }
    wake_.notify_all();
  }

  const engine::StepResult& wait() {
    std::unique_lock lock(mutex_);
    CHECK(failed_ || std::any_of(queues_.begin(), queues_.end(),
                                 [](const Queue& queue) { return queue.steps > 0; }),
          "no step is in flight");
    if (finished_.empty() && !failed_) {
      const uint64_t seen = news_.load();
      lock.unlock();
      (void)launch::look_for(launch::frontend_patience(last_step_),
                             [&] { return news_.load() != seen; });
      lock.lock();
    }
    done_.wait(lock, [&] { return failed_ || !finished_.empty(); });
    throw_failure(lock);
    result_.replica = static_cast<int>(finished_.front());
    finished_.pop_front();
    Queue& queue = queues_[static_cast<size_t>(result_.replica)];
    Item& item = queue.items.front();
    result_.logits = std::move(item.logits);
    result_.candidate_logits = std::move(item.candidate_logits);
    result_.candidate_tokens = std::move(item.candidate_tokens);
    result_.spans = std::move(item.spans);
    last_step_ = std::chrono::steady_clock::now() - item.begin;
    --queue.steps;
    queue.pop();
    queue.pop_reports();
    return result_;
  }

  std::vector<engine::RankReport> report() {
    std::unique_lock lock(mutex_);
    throw_failure(lock);
    reporting_ = reports_.size();
    for (Queue& queue : queues_) {
      queue.items.push_back({.batch = std::nullopt, .working = ranks_per_replica_});
      ++queue.end;
    }
    wake_.notify_all();
    done_.wait(lock, [&] { return failed_ || reporting_ == 0; });
    throw_failure(lock);
    for (Queue& queue : queues_) queue.pop_reports();
    return reports_;
  }

 private:
  struct Progress {
    int64_t done_bytes = -1;  // -1 = nothing new
    int64_t total_bytes = 0;
  };
  // A step, or without batch a request for reports.
  struct Item {
    std::optional<engine::StepBatch> batch;
    size_t working = 0;  // ranks that have not finished it
    std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
    std::vector<float> logits = {};  // written by one rank, as the candidates
    std::vector<float> candidate_logits = {};
    std::vector<int32_t> candidate_tokens = {};
    std::vector<engine::RankSpan> spans = {};  // each written by its rank
  };
  // Of one replica. Its ranks keep references to items that they work on: a deque moves none.
  struct Queue {
    std::deque<Item> items;         // oldest first
    std::atomic<uint64_t> end = 0;  // number behind items.back(); for those who look
    uint64_t first = 0;             // number of items.front()
    int64_t steps = 0;              // submitted and not yet given back

    void pop() {
      items.pop_front();
      ++first;
    }
    void pop_reports() {
      while (!items.empty() && !items.front().batch && items.front().working == 0) pop();
    }
  };

  void end() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      is_over_ = true;
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
      const bool is_bound =
          take_cores({rank, static_cast<int>(worlds_.size()), options_.threads_per_rank});
      const auto patience = is_bound ? launch::kRankPatience : std::chrono::microseconds(0);
      comm::Communicator& world = *worlds_[static_cast<size_t>(rank)];
      std::optional<formats::Checkpoint> checkpoint = open_checkpoint(rank);
      RankRunner runner(std::move(part), *checkpoint, world, [&](int64_t done, int64_t total) {
        if (options_.on_progress) note_progress(rank, {done, total});
      });
      checkpoint.reset();
      finish_loading();
      Queue& queue = queues_[static_cast<size_t>(rank) / ranks_per_replica_];
      for (uint64_t number = 0;; ++number) {
        (void)launch::look_for(patience, [&] { return queue.end > number || is_over_; });
        Item* item = next_item(queue, number);
        if (item == nullptr) break;
        work(runner, static_cast<size_t>(rank), *item);
        finish(queue, *item);
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
    const std::lock_guard lock(mutex_);
    --alive_;
    done_.notify_all();  // under the lock: the last one may end the life of `done_`
  }

  void work(RankRunner& runner, size_t rank, Item& item) {
    if (!item.batch) {
      reports_[rank] = runner.report();
      return;
    }
    const RowOutputs rows = runner.run(*item.batch);
    if (runner.has_logits()) {
      const auto& [logits, tokens] = rows.candidates;
      item.logits.assign(rows.logits.begin(), rows.logits.end());
      item.candidate_logits.assign(logits.begin(), logits.end());
      item.candidate_tokens.assign(tokens.begin(), tokens.end());
    }
    item.spans[rank % ranks_per_replica_] = runner.last_span();
  }

  // Null when there is no more work.
  Item* next_item(Queue& queue, uint64_t number) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return stop_ || failed_ || queue.first + queue.items.size() > number; });
    return stop_ || failed_ ? nullptr : &queue.items[number - queue.first];
  }

  // The ranks finish the items of a queue in order, so the items are finished in order too.
  void finish(Queue& queue, Item& item) {
    {
      const std::lock_guard lock(mutex_);
      if (!item.batch) --reporting_;
      if (--item.working > 0) return;
      if (item.batch) finished_.push_back(&queue - queues_.data());
      ++news_;
    }
    done_.notify_all();
  }

  void finish_loading() {
    const std::lock_guard lock(mutex_);
    if (--loading_ == 0) done_.notify_all();
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
      is_over_ = true;
      ++news_;
    }
    for (const auto& world : worlds_) world->cancel();
    wake_.notify_all();
    done_.notify_all();
  }

  // Waits for the end of all ranks first, so that the cause is known.
  void throw_failure(std::unique_lock<std::mutex>& lock) {
    if (!failed_) return;
    done_.wait(lock, [&] { return alive_ == 0; });
    throw Error(failure_code_, failure_);
  }

  InProcessOptions options_;
  size_t ranks_per_replica_;
  std::vector<std::unique_ptr<comm::Communicator>> worlds_;  // by rank, of its replica
  std::mutex mutex_;
  std::condition_variable wake_;  // there is more to do, or the end
  std::condition_variable done_;  // something is finished, failed, or there is progress
  size_t loading_ = 0;            // ranks
  size_t reporting_ = 0;
  size_t alive_ = 0;
  std::atomic<uint64_t> news_ = 0;     // for those who look: steps finished, failures
  std::atomic<bool> is_over_ = false;  // the same: stop_ or failed_
  std::chrono::steady_clock::duration last_step_ = std::chrono::steady_clock::duration::max();
  bool stop_ = false;
  bool failed_ = false;
  bool failure_is_victim_ = false;
  ErrorCode failure_code_ = ErrorCode::kRankFailed;
  std::string failure_;
  std::vector<Queue> queues_;                // by replica
  engine::StepResult result_;                // given back last
  std::deque<int64_t> finished_;             // replicas of finished steps, in that order
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
      team_(std::make_unique<Team>(std::move(parts),
                                   static_cast<int>(limits.replicas),
                                   open_checkpoint,
                                   std::move(options))) {
  team_->wait_until_loaded();
}

InProcessRunner::~InProcessRunner() = default;

void InProcessRunner::submit(int replica, const engine::StepBatch& batch) {
  team_->submit(replica, batch, limits_.steps_in_flight);
}

const engine::StepResult& InProcessRunner::wait() { return team_->wait(); }

std::vector<engine::RankReport> InProcessRunner::report() { return team_->report(); }

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
