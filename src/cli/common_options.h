// SPDX-License-Identifier: Apache-2.0
// Options that several sub-commands share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "partita/partita.h"

namespace partita::cli {

// DIR, --weights, --mesh, --ranks, --devices, --plan and the workload.
struct PlanningOptions {
  std::string directory;
  std::string plan_file;  // an existing plan.json to follow; empty = plan now
  LoadOptions load;
  PlanOptions plan;
};
void add_planning_options(CLI::App& command, PlanningOptions& options);

// The options of LoadOptions: --weights (also --dtype), --products and --kv-cache.
void add_weights_option(CLI::App& command, LoadOptions& load);

// Refuses options that decide a plan when --plan names one. For commands that only follow it.
void refuse_planning_beside_plan_file(const CLI::App& command);

// Says on standard error, when it is a terminal, why the next seconds are quiet.
void tell_of_measuring(int ranks);

// Loads the model and shows its notes on standard error.
[[nodiscard]] Model load_model(const std::string& directory, const LoadOptions& load);

// Reads the plan file, or makes a plan.
[[nodiscard]] Plan plan_of(const Model& model, const PlanningOptions& options);

}  // namespace partita::cli
