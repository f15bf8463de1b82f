// SPDX-License-Identifier: Apache-2.0
// A smaller problem with the same optimum: parallel edges merged, options that cannot win removed.
#pragma once

#include <vector>

#include "planner/solvers/solver.h"

namespace partita::planner {

struct SimplifiedProblem {
  Problem problem;                       // at most one edge between two variables
  std::vector<std::vector<int>> option;  // per variable and option: its index in the original

  // The assignment of the original problem.
  [[nodiscard]] std::vector<int> original_choice(const std::vector<int>& choice) const;
};

// Removes an option when another one of the same variable costs no more with every option of every
// neighbour and takes no more bytes, so the optimum under every memory bound stays. Costs
// O(variables * options^2 * neighbours' options); tables of alike edges stay shared.
[[nodiscard]] SimplifiedProblem simplify(const Problem& problem);

// The problem with only the listed options of each variable (ascending indices, at least one).
// Edges to variables with one option become costs of the other variable.
[[nodiscard]] SimplifiedProblem restricted(const Problem& problem,
                                           std::vector<std::vector<int>> options);

}  // namespace partita::planner
