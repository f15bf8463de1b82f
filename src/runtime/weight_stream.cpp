// SPDX-License-Identifier: Apache-2.0
#include "runtime/weight_stream.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "support/error.h"
#include "support/integers.h"

namespace partita::runtime {
namespace {

// Long enough to read at full speed, short enough for several threads to share one weight.
constexpr int64_t kPartBytes = int64_t{4} << 20;

// Some rows of a weight as a weight of its own.
ir::Value rows_of(const ir::Value& weight, Range rows) {
  ir::Value part = weight;
  part.type.dims.front() = rows.size();
  part.source = weight.source.slice(0, rows);
  return part;
}

}  // namespace

WeightStream::WeightStream(const WeightReader& read, int threads) : read_(read) {
  threads_.reserve(static_cast<size_t>(threads));
  try {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
  } catch (const std::system_error&) {
    // The system gives no more of them. The owner reads along, so that even none is enough.
  }
}

WeightStream::~WeightStream() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  added_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WeightStream::add(const ir::Value& weight, std::byte* to) {
  const int64_t rows = weight.type.dims.empty() ? 0 : weight.type.dims.front().size;
  const int64_t bytes = weight.type.bytes();
  Reading reading{.weight = &weight, .to = to, .rows = rows, .rows_per_part = rows, .parts = 1};
  if (rows > 1 && bytes > kPartBytes) {
    reading.rows_per_part = std::clamp<int64_t>(kPartBytes / (bytes / rows), 1, rows);
    reading.parts = ceil_div(rows, reading.rows_per_part);
  }
  {
    const std::lock_guard lock(mutex_);
    readings_.push_back(std::move(reading));
  }
  added_.notify_all();
}

void WeightStream::wait() {
  std::unique_lock lock(mutex_);
  CHECK(!readings_.empty(), "no weight was added");
  Reading& first = readings_.front();
  while (first.done < first.parts) {
    if (first.begun < first.parts) {
      read_part({&first, first.begun++}, lock);
    } else {
      finished_.wait(lock);
    }
  }
  const std::exception_ptr failure = first.failure;
  readings_.pop_front();
  if (failure) std::rethrow_exception(failure);
}

void WeightStream::serve() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (const auto part = take_part()) {
      read_part(*part, lock);
    } else {
      added_.wait(lock);
    }
  }
}

// The next part that nobody reads, if any. Needs the lock.
std::optional<WeightStream::Part> WeightStream::take_part() {
  for (Reading& reading : readings_) {
    if (reading.begun < reading.parts) return Part{&reading, reading.begun++};
  }
  return std::nullopt;
}

// Reads without the lock.
void WeightStream::read_part(const Part& part, std::unique_lock<std::mutex>& lock) {
  Reading& reading = *part.reading;
  lock.unlock();
  std::exception_ptr failure;
  try {
    if (reading.parts == 1) {
      read_(*reading.weight, reading.to);
    } else {
      const int64_t begin = part.index * reading.rows_per_part;
      const Range rows{begin, std::min(begin + reading.rows_per_part, reading.rows)};
      const int64_t row_bytes = reading.weight->type.bytes() / reading.rows;
      read_(rows_of(*reading.weight, rows), reading.to + begin * row_bytes);
    }
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  if (failure && !reading.failure) reading.failure = failure;
  if (++reading.done == reading.parts) finished_.notify_all();
}

}  // namespace partita::runtime
