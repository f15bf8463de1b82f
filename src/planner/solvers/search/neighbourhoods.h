// SPDX-License-Identifier: Apache-2.0
// Large-neighbourhood search: improves an assignment part by part.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "planner/solvers/search/incumbent.h"

namespace partita::planner {

struct NeighbourhoodLimits {
  const Deadline& deadline;
  int max_failures = 60;    // ends after so many parts in a row without a better assignment
  int64_t max_entries = 0;  // of elimination tables
};

// Frees a part of the nodes, keeps the others as the incumbent has them, and searches the part by
// branch and bound within a small budget (Shaw 1998). Parts grow from a random node along edges, or
// along memory: nodes that are alive at the same time. Parts that are solved to the end grow,
// others shrink. The random numbers are the same in every run.
class Neighbourhoods {
 public:
  // `core` comes from core_of(), and the incumbent's choice has an option per variable of it.
  Neighbourhoods(const Network& core, Incumbent& incumbent);

  // Improves the incumbent, which must have an assignment.
  void run(const NeighbourhoodLimits& limits);

 private:
  [[nodiscard]] size_t below(size_t bound) { return random_() % bound; }
  [[nodiscard]] std::vector<bool> part_along_edges(size_t size);
  [[nodiscard]] std::vector<bool> part_along_memory(size_t size);
  [[nodiscard]] Network restricted_to(const std::vector<bool>& is_free) const;

  const Network& core_;
  Incumbent& incumbent_;
  std::mt19937 random_{1};
  double size_ = 12;
};

}  // namespace partita::planner
