// SPDX-License-Identifier: Apache-2.0
// Options that another option of the same node can replace in every assignment.
#pragma once

#include <vector>

#include "planner/solvers/reduce/network.h"

namespace partita::planner {

// The options of a node that no other one dominates, ascending. An option dominates another one
// when it takes no more memory in any row, and costs no more even when every neighbour chooses what
// speaks most against it (soft neighbourhood substitutability: Lecoutre, Roussel, Dehani 2012; the
// dead-end elimination of protein design: Goldstein 1994). Of two that dominate each other the one
// that takes fewer bytes, then the first, stays. Edges must be normalised: no option of a neighbour
// may be impossible.
[[nodiscard]] std::vector<int> undominated_options(const Network& network, int node);

}  // namespace partita::planner
