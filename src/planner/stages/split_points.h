// SPDX-License-Identifier: Apache-2.0
// Where a user wants stages to begin and end, as cuts of the graph.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace partita::planner {

// One cut per point, ascending (PlanRequest::cuts). A point is "before:NAME" or "after:NAME", NAME
// a module ("layers.4"), an operator, or a pattern with '*', '?' and {a,b} over their names: the
// stage begins with the first of its operators, or behind the last; "NAME" means "before:NAME"; a
// number N is the N-th operator of the graph, counted from 0. Throws kInvalidArgument: a name
// without operator (naming the nearest), a point before the first or behind the last operator, two
// points at one place.
[[nodiscard]] std::vector<int64_t> cuts_at(const ir::Graph& graph,
                                           std::span<const std::string> points);

}  // namespace partita::planner
