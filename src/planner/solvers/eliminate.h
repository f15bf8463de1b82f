// SPDX-License-Identifier: Apache-2.0
// The exact solver of the planner.
#pragma once

#include "planner/solvers/solver.h"

namespace partita::planner {

// Dominance, then bucket elimination (variables of degree 0, 1 and 2 first). Under a memory bound:
// the unconstrained optimum if it fits; else the convex hull of (cost, bytes) by Lagrange
// multipliers gives a feasible assignment and a lower bound, and Pareto elimination closes the gap
// between them. When that takes too long the feasible assignment and the gap are returned.
// Problems with timed usages, and those too wide for tables, are left to ExactSolver.
// Milliseconds for graphs of language models, whose width is 2 or 3. When nothing fits, `choice` is
// the assignment of least bytes.
class EliminationSolver : public Solver {
 public:
  explicit EliminationSolver(double time_limit_s = 10) : time_limit_s_(time_limit_s) {}
  [[nodiscard]] Solution solve(const Problem& problem) const override;

 private:
  double time_limit_s_;
};

}  // namespace partita::planner
