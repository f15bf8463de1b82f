// SPDX-License-Identifier: Apache-2.0
// The best assignment that a search has found so far.
#pragma once

#include <chrono>
#include <vector>

#include "planner/solvers/reduce/network.h"

namespace partita::planner {

// An assignment of the variables of a core network; its cost is kForbidden when there is none.
struct Incumbent {
  Cost cost = kForbidden;
  std::vector<int> choice;
};

// When a search must stop.
class Deadline {
 public:
  explicit Deadline(double seconds)
      : end_(Clock::now() +
             std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))) {}
  [[nodiscard]] bool is_over() const { return Clock::now() >= end_; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point end_;
};

}  // namespace partita::planner
