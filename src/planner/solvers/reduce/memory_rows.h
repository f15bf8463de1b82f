// SPDX-License-Identifier: Apache-2.0
// Times of a problem become the few rows that can matter.
#pragma once

#include "planner/solvers/reduce/network.h"

namespace partita::planner {

// Adds the limits and the nodes' usages to a network whose nodes are the problem's variables. Of
// all moments those stay at which something has just begun and something is about to end (what
// lives at any other moment also lives at one of these), and of those the ones where the largest
// options together exceed the bound. Without a memory bound there are no rows.
void add_memory_rows(const Problem& problem, Network& network);

// Drops the rows of a reduced network that no assignment exceeds any more, and of alike ones all
// but the tightest.
void compact_rows(Network& network);

}  // namespace partita::planner
