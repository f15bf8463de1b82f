// SPDX-License-Identifier: Apache-2.0
// One rank's piece of a stage program: local shapes, cut weights, concrete groups.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "partition/partition.h"
#include "partition/plan_index.h"
#include "partition/stage_program.h"

namespace partita::partition {

// The graph of the rank at `cell` of the stage's mesh. O(items * group size).
[[nodiscard]] ir::Graph rank_graph(const PlanIndex& index,
                                   const StageProgram& program,
                                   int64_t cell);

// What that rank holds of every weight of its graph, in the same order.
[[nodiscard]] std::vector<WeightPiece> weight_pieces(const PlanIndex& index,
                                                     const StageProgram& program,
                                                     int64_t cell);

// "0,1,2": the value of the attribute "group".
[[nodiscard]] std::string group_name(const std::vector<int>& ranks);

// All ranks of the plan, ascending: the group over which stages send to each other.
[[nodiscard]] std::vector<int> all_ranks(const plan::Plan& plan);

// The ranks that take part in a reshard over `axes` at `cell`, in the order of their pieces.
[[nodiscard]] std::vector<int> step_ranks(const spec::Mesh& mesh,
                                          int64_t cell,
                                          const std::vector<int>& axes);

}  // namespace partita::partition
