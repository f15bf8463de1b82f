// SPDX-License-Identifier: Apache-2.0
// Nodes whose choice follows from a neighbour's.
#pragma once

#include <vector>

#include "planner/solvers/reduce/network.h"

namespace partita::planner {

// The option of the other end of the edge for each option of `node`, when it follows: because it is
// the only one that the edge allows, or because the other end has no further neighbour and this
// option costs least and takes least memory. Empty when it does not follow.
[[nodiscard]] std::vector<int> followed_options(const Network& network, int node, int edge);

// Makes the other end of the edge a part of `node`: its costs, usages, members and edges move over,
// and it dies. `followed` as above.
void absorb(Network& network, int node, int edge, const std::vector<int>& followed);

}  // namespace partita::planner
