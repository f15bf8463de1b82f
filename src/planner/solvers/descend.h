// SPDX-License-Identifier: Apache-2.0
// The fallback for problems too wide for elimination: improve one variable at a time.
#pragma once

#include "planner/solvers/solver.h"

namespace partita::planner {

// Not exact: starts from the assignment of least bytes per variable and takes every change of one
// variable that lowers the cost within the memory bound, until none does. The lower bound is the
// sum of all least terms. Deterministic.
class DescendSolver : public Solver {
 public:
  [[nodiscard]] Solution solve(const Problem& problem) const override;
};

}  // namespace partita::planner
