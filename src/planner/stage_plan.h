// SPDX-License-Identifier: Apache-2.0
// One stage, decided under the memory bound of its devices.
#pragma once

#include <optional>
#include <vector>

#include "planner/solvers/solver.h"
#include "planner/stage_decisions.h"

namespace partita::planner {

struct StagePlan {
  bool fits = false;  // false: the decisions are those of least weight and cache bytes
  StageDecisions decisions;
  std::vector<plan::RankMemory> memory;  // per cell of the mesh
  Cost cost = 0;
  Cost lower_bound = 0;
  std::string solver;
  PlanSpace* space = nullptr;  // that the specs of the decisions are of; borrowed

  // Bytes that the rank lacks which lacks most; negative = what all have to spare.
  [[nodiscard]] int64_t largest_excess() const;
};

struct StageRequest {
  Range nodes;
  const PinnedSpecs& pinned;
  double time_limit_s = 10;
  bool is_bounded = true;          // false: any memory will do
  const Solver* solver = nullptr;  // null = the exact one with the time limit
};

// Weights and caches are bounded by the solver; activations and buffers follow from its choice, so
// the bound is lowered by what they need until the whole fits or the least bytes do not.
[[nodiscard]] StagePlan plan_stage(PlanSpace& space, const StageRequest& request);

// The same where strategies or specs are forced that may contradict each other: nothing when no
// choice is legal, whatever the memory.
[[nodiscard]] std::optional<StagePlan> plan_forced_stage(PlanSpace& space,
                                                         const StageRequest& request);

}  // namespace partita::planner
