// SPDX-License-Identifier: Apache-2.0
// What stands behind the public Plan.
#pragma once

#include "partita/plan.h"
#include "plan/plan.h"

namespace partita {

struct Plan::Impl {
  Model model;  // keeps the graph that the plan talks about
  plan::Plan plan;
  std::vector<PlanCandidate> candidates = {};
};

}  // namespace partita
