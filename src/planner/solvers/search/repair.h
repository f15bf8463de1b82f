// SPDX-License-Identifier: Apache-2.0
// Makes an assignment fit into memory, and cheaper.
#pragma once

#include <vector>

#include "planner/solvers/reduce/network.h"

namespace partita::planner {

// Greedy: while a row is too full, changes the node that costs least per byte it takes out of full
// rows; then takes every change of one node that is cheaper and fits. `choice` has an option per
// node of the network. False when the assignment has forbidden pairs or cannot be made to fit this
// way.
[[nodiscard]] bool repair(const Network& network, std::vector<int>& choice);

}  // namespace partita::planner
