// SPDX-License-Identifier: Apache-2.0
#include "api/work_board.h"

#include <algorithm>
#include <utility>

#include "launch/patience.h"
#include "support/error.h"

namespace partita::api {

RankWork& WorkQueue::push(RankWork more) {
  work.push_back(std::move(more));
  ++end;
  return work.back();
}

void WorkQueue::pop() {
  work.pop_front();
  ++first;
}

void WorkQueue::pop_finished_reports() {
  while (!work.empty() && !work.front().batch && work.front().working == 0) pop();
}

WorkBoard::WorkBoard(size_t replicas, size_t ranks_per_replica)
    : ranks_per_replica_(ranks_per_replica),
      queues_(replicas),
      reports_(replicas * ranks_per_replica),
      progress_(reports_.size()),
      loading_(reports_.size()),
      present_(reports_.size()) {}

WorkQueue& WorkBoard::queue_of(int rank) {
  return queues_.at(static_cast<size_t>(rank) / ranks_per_replica_);
}

void WorkBoard::wait_until_loaded(const OnProgress& on_progress) {
  std::unique_lock lock(mutex_);
  while (true) {
    done_.wait(lock, [&] { return loading_ == 0 || failure_ || has_progress_; });
    if (!has_progress_) break;
    has_progress_ = false;
    std::vector<Progress> news(progress_.size());
    std::swap(news, progress_);
    lock.unlock();
    for (size_t rank = 0; rank < news.size(); ++rank) {
      const Progress& progress = news[rank];
      if (progress.done_bytes < 0 || !on_progress) continue;
      on_progress(static_cast<int>(rank), progress.done_bytes, progress.total_bytes);
    }
    lock.lock();
  }
  throw_failure(lock);
}

void WorkBoard::submit(int replica, const engine::StepBatch& batch, int64_t most_in_flight) {
  {
    std::unique_lock lock(mutex_);
    throw_failure(lock);
    WorkQueue& queue = queues_.at(static_cast<size_t>(replica));
    CHECK(queue.steps < most_in_flight, queue.steps, " steps are in flight");
    ++queue.steps;
    RankWork& step = queue.push({.batch = batch, .working = ranks_per_replica_});
    step.result.replica = replica;
    step.result.spans.resize(ranks_per_replica_);
  }
  wake_.notify_all();
}

const engine::StepResult& WorkBoard::wait() {
  std::unique_lock lock(mutex_);
  const auto has_steps = [](const WorkQueue& queue) { return queue.steps > 0; };
  CHECK(failure_ || std::ranges::any_of(queues_, has_steps), "no step is in flight");
  look_for_news(lock);
  done_.wait(lock, [&] { return failure_ || !finished_.empty(); });
  throw_failure(lock);
  WorkQueue& queue = queues_[finished_.front()];
  finished_.pop_front();
  RankWork& step = queue.work.front();
  last_step_ = std::chrono::steady_clock::now() - step.begin;
  result_ = std::move(step.result);
  --queue.steps;
  queue.pop();
  queue.pop_finished_reports();
  return result_;
}

// While steps are short, waking up would take as long as one of them.
void WorkBoard::look_for_news(std::unique_lock<std::mutex>& lock) {
  if (failure_ || !finished_.empty()) return;
  const uint64_t seen = news_.load();
  const auto patience = launch::frontend_patience(last_step_);
  lock.unlock();
  (void)launch::look_for(patience, [&] { return news_.load() != seen; });
  lock.lock();
}

std::vector<engine::RankReport> WorkBoard::report() {
  std::unique_lock lock(mutex_);
  throw_failure(lock);
  reporting_ = reports_.size();
  for (WorkQueue& queue : queues_)
    queue.push({.batch = std::nullopt, .working = ranks_per_replica_});
  wake_.notify_all();
  done_.wait(lock, [&] { return failure_ || reporting_ == 0; });
  throw_failure(lock);
  for (WorkQueue& queue : queues_) queue.pop_finished_reports();
  return reports_;
}

void WorkBoard::end() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  wake_.notify_all();
}

// Waits for the end of all ranks first, so that the cause is known.
void WorkBoard::throw_failure(std::unique_lock<std::mutex>& lock) {
  if (!failure_) return;
  done_.wait(lock, [&] { return present_ == 0; });
  throw Error(failure_->code, failure_->message);
}

void WorkBoard::note_progress(int rank, int64_t done_bytes, int64_t total_bytes) {
  {
    const std::lock_guard lock(mutex_);
    progress_.at(static_cast<size_t>(rank)) = {done_bytes, total_bytes};
    has_progress_ = true;
  }
  done_.notify_all();
}

void WorkBoard::note_loaded() {
  const std::lock_guard lock(mutex_);
  if (--loading_ == 0) done_.notify_all();
}

RankWork* WorkBoard::next(int rank, uint64_t number, std::chrono::microseconds patience) {
  WorkQueue& queue = queue_of(rank);
  (void)launch::look_for(patience, [&] { return queue.end > number || is_over_; });
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return is_over_ || queue.end > number; });
  return is_over_ ? nullptr : &queue.work[number - queue.first];
}

void WorkBoard::put_report(int rank, engine::RankReport report) {
  const std::lock_guard lock(mutex_);
  reports_.at(static_cast<size_t>(rank)) = std::move(report);
}

// The ranks of a replica finish its work in order, so that steps are finished in order too.
void WorkBoard::finish(RankWork& work) {
  {
    const std::lock_guard lock(mutex_);
    if (!work.batch) --reporting_;
    if (--work.working > 0) return;
    if (work.batch) finished_.push_back(static_cast<size_t>(work.result.replica));
    ++news_;
  }
  done_.notify_all();
}

void WorkBoard::fail(RankFailure failure) {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_ || (failure_->is_victim && !failure.is_victim)) failure_ = std::move(failure);
    is_over_ = true;
    ++news_;
  }
  wake_.notify_all();
  done_.notify_all();
}

void WorkBoard::leave() {
  const std::lock_guard lock(mutex_);
  --present_;
  done_.notify_all();  // under the lock: the last one may end the life of the board
}

}  // namespace partita::api
