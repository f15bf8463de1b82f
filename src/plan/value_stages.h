// SPDX-License-Identifier: Apache-2.0
// On which stage, and so on which mesh, each value of a graph lies.
#pragma once

#include <span>
#include <vector>

#include "ir/graph.h"
#include "plan/plan.h"

namespace partita::plan {

// Per value of `graph` the index of its stage: where it is produced; for weights, states and inputs
// where it is first read (0 when nothing reads it). A weight that several stages read has the same
// spec on all of them. `stages` cover all nodes. Costs O(nodes + values).
[[nodiscard]] std::vector<int> stages_of_values(const ir::Graph& graph,
                                                std::span<const Stage> stages);

}  // namespace partita::plan
