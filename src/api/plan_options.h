// SPDX-License-Identifier: Apache-2.0
// What planning options ask of the planner, and which of them cannot be or go together.
#pragma once

#include <cstdint>
#include <string>

#include "cost/profile.h"
#include "partita/plan.h"
#include "planner/planner.h"

namespace partita::api {

// Throws kInvalidArgument naming the option that is out of range, unknown, or does not go with the
// model or another option. Reads no file and measures nothing.
void check_plan_options(const Model& model, const PlanOptions& options);

// Of a benchmark, whose context is the prompt and the output. Throws kInvalidArgument naming both
// when the model has no room for them.
void check_bench_context(const Model& model, const PlanOptions& options);

// Token counts held within the context: those the caller left alone never exceed it.
[[nodiscard]] plan::Workload workload_of(const Model& model, const PlanOptions& options);
[[nodiscard]] planner::StageBalance balance_of(const PlanOptions& options);
[[nodiscard]] planner::SharedWeights shared_weights_of(const PlanOptions& options);

// The mesh that the options ask for, empty when the planner chooses: split points without mesh or
// ranks make one rank per stage.
[[nodiscard]] std::string mesh_of(const PlanOptions& options);

// How many ranks the options ask for: those of the mesh, of `ranks`, of the described machine
// (which may be null), or one.
[[nodiscard]] int64_t ranks_of(const PlanOptions& options, const cost::Profile* described);

}  // namespace partita::api
