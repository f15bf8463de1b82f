// SPDX-License-Identifier: Apache-2.0
// Shared memory for the messages between the stages of a plan.
#pragma once

#include "comm/region/region.h"
#include "ir/graph.h"
#include "plan/plan.h"

namespace partita::api {

// Rings that hold what two steps pass from a stage to another: so much a stage may be ahead.
[[nodiscard]] comm::RegionOptions region_for(const ir::Graph& graph, const plan::Plan& plan);

}  // namespace partita::api
