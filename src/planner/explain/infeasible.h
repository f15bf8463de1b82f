// SPDX-License-Identifier: Apache-2.0
// Why nothing fits, and the smallest changes after which something does, each found by trying.
#pragma once

#include <functional>

#include "planner/pipeline.h"
#include "planner/planner.h"
#include "support/json.h"

namespace partita::planner {

// A request that does not fit, and the ways to try again.
struct FitQuestion {
  const PlanRequest& request;
  const PipelinePlan& smallest;  // the plan whose fullest rank needs the least
  // Plans another request on the devices of `smallest`, for this graph instead of its own.
  std::function<PipelinePlan(const PlanRequest&, const ir::Graph&)> again;
  // Plans the request on another number of ranks: a multiple of rank_step.
  std::function<PipelinePlan(int64_t)> on_ranks;
  int64_t rank_step = 1;
};

// Larger memory per device, smaller context, fewer sequences, smaller steps (each by bisection),
// smaller weights, a smaller KV cache, more ranks. Changes that do not help alone are left out. The
// answers hold for the mesh of `smallest`; another one might do with a little less. Costs some 40
// plans.
[[nodiscard]] Infeasible explain_infeasible(const FitQuestion& question);

[[nodiscard]] Json to_json(const Infeasible& infeasible);

}  // namespace partita::planner
