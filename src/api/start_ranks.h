// SPDX-License-Identifier: Apache-2.0
// Starts the ranks of a plan, as threads or as processes.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "comm/shm/shm.h"
#include "engine/step_runner.h"
#include "partita/engine.h"
#include "plan/plan.h"

namespace partita::api {

struct RunningRanks {
  // Of rank processes on one host, one for each replica; they outlive them.
  std::vector<comm::ShmSegment> segments;
  std::unique_ptr<engine::StepRunner> runner;
};

// How long a step of the plan may take: what the options say, else by the prediction.
[[nodiscard]] std::chrono::milliseconds step_timeout_of(const plan::Plan& plan,
                                                        const EngineOptions& options);

// Throws kInvalidArgument for options out of range, names that do not exist or do not go together,
// and more ranks than this machine can run.
void check_options(const Plan& plan, const EngineOptions& options);

// Starts and loads all ranks; `model` must outlive them. Throws what a StepRunner's constructor
// throws, and kSystem when the log folder cannot be made.
[[nodiscard]] RunningRanks start_ranks(const Model& model,
                                       const Plan& plan,
                                       const EngineOptions& options);

}  // namespace partita::api
