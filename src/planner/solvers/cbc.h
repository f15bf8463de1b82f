// SPDX-License-Identifier: Apache-2.0
// The outside solver CBC (COIN-OR branch and cut), where partita was built with it.
#pragma once

#include <limits>
#include <vector>

#include "planner/solvers/ilp_model.h"

namespace partita::planner {

struct IlpAnswer {
  bool is_infeasible = false;   // proven
  bool is_optimal = false;      // proven within the tolerances of floating point
  std::vector<double> columns;  // the best found; empty when there is none
  // No integer point costs less; -infinity when nothing is known.
  double lower_bound = -std::numeric_limits<double>::infinity();
};

// Whether partita was built with CBC.
[[nodiscard]] bool has_cbc();

// One thread, silent, deterministic unless the time limit is reached. Throws kUnsupported without
// CBC.
[[nodiscard]] IlpAnswer solve_with_cbc(const IlpModel& model, double time_limit_s);

}  // namespace partita::planner
