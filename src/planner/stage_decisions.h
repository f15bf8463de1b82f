// SPDX-License-Identifier: Apache-2.0
// A solution of a stage, written as the decisions of a plan.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "plan/plan.h"
#include "planner/stage_problem.h"

namespace partita::planner {

struct StageDecisions {
  std::vector<std::pair<ir::ValueId, SpecId>> values;  // weights, states and results, by id
  std::map<ir::ValueId, std::string> sources;          // of values that pins decide
  std::vector<plan::OpDecision> ops;                   // in execution order
  // By value id; the result of one may be the start of a later one.
  std::vector<std::pair<ir::ValueId, plan::ReshardDecision>> reshards;
  plan::CostTerms cost;                 // sum over ops and reshards
  std::vector<PhaseSeconds> node_cost;  // per node: op and the reshards of its outputs
  int64_t activation_bytes = 0;         // peak over the nodes, every value at its largest piece
  int64_t communication_bytes = 0;      // in and out of the largest collective
};

// Adds the terms of `more` to `terms`.
void add_terms(plan::CostTerms& terms, const plan::CostTerms& more);

[[nodiscard]] StageDecisions decisions_of(const StageProblem& stage,
                                          PlanSpace& space,
                                          const std::vector<int>& choice);

}  // namespace partita::planner
