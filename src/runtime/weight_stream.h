// SPDX-License-Identifier: Apache-2.0
// Reads weights ahead of the thread that uses them, several threads at parts of them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "ir/graph.h"

namespace partita::runtime {

// Fills `to` (value.type.bytes() bytes) with a weight, or with the part of one whose source and
// type are those of some rows of it. Called by several threads at once.
using WeightReader = std::function<void(const ir::Value& weight, std::byte* to)>;

// Owned by one thread, which adds weights in the order in which it will wait for them. Large ones
// are read in parts of some MiB along their first dim, in order; the waiting thread reads along.
class WeightStream {
 public:
  // `read` must outlive the stream. `threads` (>= 0) read beside the owner,
  // or as many of them as the system allows.
  WeightStream(const WeightReader& read, int threads);
  // Waits until parts that are being read are done; the rest is not read.
  ~WeightStream();
  WeightStream(const WeightStream&) = delete;
  WeightStream& operator=(const WeightStream&) = delete;

  // Begins to fill `to`. The weight must live until wait() returns.
  void add(const ir::Value& weight, std::byte* to);
  // Returns when the weight, the first that was added and not waited for, is complete. Throws what
  // reading it threw.
  void wait();

 private:
  struct Reading {
    const ir::Value* weight;
    std::byte* to;
    int64_t rows;  // of the first dim; 0 = read as a whole
    int64_t rows_per_part;
    int64_t parts;
    int64_t begun = 0;
    int64_t done = 0;
    std::exception_ptr failure = {};
  };
  struct Part {
    Reading* reading;
    int64_t index;
  };

  void serve();
  [[nodiscard]] std::optional<Part> take_part();
  void read_part(const Part& part, std::unique_lock<std::mutex>& lock);

  const WeightReader& read_;
  std::mutex mutex_;  // guards all below
  std::condition_variable added_;
  std::condition_variable finished_;
  std::deque<Reading> readings_;  // addresses stay while others are added and removed at the ends
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace partita::runtime
