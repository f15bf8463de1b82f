// SPDX-License-Identifier: Apache-2.0
// A whole plan: stages, each decided exactly, put together.
#pragma once

#include <map>
#include <vector>

#include "planner/graph_facts.h"
#include "planner/planner.h"
#include "planner/stage_plan.h"
#include "planner/stages/stage_layout.h"

namespace partita::planner {

// All stages of one replica, decided. Not yet a plan::Plan, because a search compares many of
// these.
struct PipelinePlan {
  bool fits = false;
  MeshParts parts;
  std::vector<Range> nodes;  // per stage
  std::vector<StagePlan> stages;
  // Weights, states and results by id, as they lie on their first stage.
  std::map<ir::ValueId, spec::TensorSpec> values;
  std::vector<plan::WeightCopy> copies;        // on later stages
  std::map<ir::ValueId, std::string> sources;  // of values that pins decide
  plan::CostTerms predicted;                   // transfers between stages included
  std::vector<PhaseSeconds> received;          // per stage: of a step, for what other stages send
  double request_seconds = 0;

  // Memory of the rank that lacks most, or has least to spare.
  [[nodiscard]] const plan::RankMemory& fullest_rank() const;
};

// Decides all stages of `layout`. Throws kInvalidArgument naming the pins that leave no plan.
[[nodiscard]] PipelinePlan plan_pipeline(SubmeshSpaces& spaces, const StageLayout& layout);

// The plan's stages on the devices they were priced for: those of the mesh that was asked for when
// the plan is of it, because a plan only counts its replicas; else its ranks.
[[nodiscard]] MeshParts parts_of_plan(const plan::Plan& plan, const spec::Mesh& requested);

// The plan as the artefact that is written.
[[nodiscard]] plan::Plan to_plan(const PipelinePlan& pipeline, const PlanRequest& request);

}  // namespace partita::planner
