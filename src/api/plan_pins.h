// SPDX-License-Identifier: Apache-2.0
// The pins that planning options ask for: the user's, and rules imported from other systems.
#pragma once

#include <string>
#include <vector>

#include "partita/plan.h"
#include "planner/pins/pin.h"
#include "planner/pins/tp_plan.h"

namespace partita::api {

struct PlanPins {
  std::vector<planner::Pin> pins;
  std::string notes;  // lines for the user
};

// Reads --pin, --pins, --tp-plan and --autotp. The lists allReduceLinearItems and keepLinearItems
// come from the environment, else from the file of --autotp, in front of what is built in; without
// --autotp the environment is not looked at. Throws kNotFound, kInvalidFile, kInvalidArgument.
[[nodiscard]] PlanPins plan_pins(const Model& model, const PlanOptions& options);

// The plan that `tp_plan` names: a file, or "config". Throws kNotFound when config.json has none.
[[nodiscard]] planner::TpPlan read_tp_plan(const Model& model, const std::string& tp_plan);

// The options with the mesh tp=N when the file of --autotp gives autotp_size N and the options no
// number of ranks. Throws kInvalidArgument when they give another number of tensor ranks.
[[nodiscard]] PlanOptions with_autotp_size(const PlanOptions& options);

}  // namespace partita::api
