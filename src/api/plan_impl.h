// SPDX-License-Identifier: Apache-2.0
// What stands behind the public Plan.
#pragma once

#include "partita/plan.h"
#include "plan/plan.h"
#include "planner/planner.h"

namespace partita {

struct Plan::Impl {
  Model model;  // keeps the graph that the plan talks about
  plan::Plan plan;
  std::vector<PlanCandidate> candidates = {};
  std::string notes = {};
};

namespace api {

// What the options ask of the planner, without the mesh. The request borrows the model's graph.
// Throws kInvalidArgument for options out of range.
[[nodiscard]] planner::PlanRequest request_of(const Model& model, const PlanOptions& options);

}  // namespace api
}  // namespace partita
