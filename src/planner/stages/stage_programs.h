// SPDX-License-Identifier: Apache-2.0
// The optimisation problems behind a plan, one per stage, for other solvers.
#pragma once

#include <vector>

#include "planner/planner.h"

namespace partita::planner {

// What each stage of `plan` solves, in order: the problem under the last bound on memory that was
// tried, and where unlike devices may share in several ways that of the best way. `request` as the
// plan was made with, with its solver and workload. Throws as make_plan() does, and kInfeasible
// when a stage does not fit.
[[nodiscard]] std::vector<Problem> stage_programs(const PlanRequest& request,
                                                  const plan::Plan& plan);

}  // namespace partita::planner
