// SPDX-License-Identifier: Apache-2.0
// Exact minimisation under a memory bound: elimination whose messages are sets of (cost, bytes)
// pairs.
#pragma once

#include <optional>
#include <vector>

#include "planner/solvers/bucket_tree.h"

namespace partita::planner {

// What is known before: a feasible assignment's value, and the multiplier that gave the best bound.
struct ParetoLimits {
  int64_t memory_bound = 0;
  Value incumbent;          // only assignments that are not worse are looked for
  Weights multiplier;       // of the Lagrangian bound that prunes
  int64_t max_entries = 0;  // gives up when the tables hold more pairs
  double time_limit_s = 0;  // or take longer
};

struct ParetoResult {
  bool finished = false;  // false: gave up, choice is empty
  std::optional<std::vector<int>>
      choice;  // the optimum; empty when nothing is better than the incumbent
};

// A pair is dropped when the Lagrangian bound on its best completion exceeds the incumbent, so only
// the gap between bound and incumbent is enumerated.
[[nodiscard]] ParetoResult solve_pareto(const BucketTree& tree, const ParetoLimits& limits);

}  // namespace partita::planner
