// SPDX-License-Identifier: Apache-2.0
// The plan that a partition was cut by: when it stays, and which options are idle then.
#pragma once

#include "partita/plan.h"

namespace partita::api {

// Whether the model is a partition and the options ask for no other cut, so that the plan it was
// cut by stays.
[[nodiscard]] bool keeps_own_plan(const Model& model, const PlanOptions& options);

// Throws kInvalidArgument naming every option that has no effect on a plan that stays.
void refuse_options_beside_own_plan(const Model& model, const PlanOptions& options);

}  // namespace partita::api
