// SPDX-License-Identifier: Apache-2.0
// The planner's own solver for any problem: exact when it has the time.
#pragma once

#include <memory>
#include <string>

#include "planner/solvers/solver.h"

namespace partita::planner {

// Reduces the problem to a core, finds prices of memory that turn the limits into costs, solves or
// bounds the priced core (elimination, or message passing where it is too wide), and closes the gap
// by branch and bound; large-neighbourhood search improves the assignment on the way. Always
// returns the best assignment found with a proven lower bound. Ends within about the time limit, or
// when the optimum is proven; runs that end by proof are the same every time. Equal costs are not
// decided by fewer bytes.
class ExactSolver : public Solver {
 public:
  explicit ExactSolver(double time_limit_s = 10) : time_limit_s_(time_limit_s) {}
  [[nodiscard]] Solution solve(const Problem& problem) const override;

 private:
  double time_limit_s_;
};

}  // namespace partita::planner
