// SPDX-License-Identifier: Apache-2.0
// What a plan could not do and the user may want to know.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "plan/plan.h"

namespace partita::planner {

// One sentence per kind of operator that no rule can cut (spec::is_whole) and that several ranks
// therefore all compute whole, naming its first nodes. Empty for most plans.
[[nodiscard]] std::vector<std::string> warnings_of(const plan::Plan& plan, const ir::Graph& graph);

}  // namespace partita::planner
