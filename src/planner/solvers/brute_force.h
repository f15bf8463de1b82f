// SPDX-License-Identifier: Apache-2.0
// Tries every assignment: the reference the other solvers are tested against.
#pragma once

#include "planner/solvers/solver.h"

namespace partita::planner {

// Exact; costs the product of all option counts. CHECKs that it is below 10 million.
class BruteForceSolver : public Solver {
 public:
  [[nodiscard]] Solution solve(const Problem& problem) const override;
};

}  // namespace partita::planner
