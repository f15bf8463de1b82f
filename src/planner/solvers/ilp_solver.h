// SPDX-License-Identifier: Apache-2.0
// The independent solver of the planner: an integer linear program, given to CBC.
#pragma once

#include "planner/solvers/solver.h"

namespace partita::planner {

// Shares no code with the exact solver and is much slower: a second opinion. CBC computes in
// floating point, so its choice is evaluated again in integers, and what it proves is trusted to 9
// digits: `lower_bound` is rounded down by that much and then up to the next possible sum of costs.
// For sums of costs below 10^9 nothing is lost; above, an optimal choice shows a gap of at most
// 1e-9. Ties are decided by CBC. When nothing fits, `choice` is the assignment of least bytes.
// Throws kUnsupported where partita was built without CBC or the program is too large,
// kDeadlineExceeded when nothing legal was found in time.
class IlpSolver : public Solver {
 public:
  explicit IlpSolver(double time_limit_s = 60) : time_limit_s_(time_limit_s) {}
  [[nodiscard]] Solution solve(const Problem& problem) const override;

 private:
  double time_limit_s_;
};

}  // namespace partita::planner
