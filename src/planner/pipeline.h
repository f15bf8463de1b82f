// SPDX-License-Identifier: Apache-2.0
// A whole plan on one mesh: stages cut, each decided, put together.
#pragma once

#include <map>
#include <vector>

#include "planner/graph_facts.h"
#include "planner/mesh_parts.h"
#include "planner/planner.h"
#include "planner/stage_plan.h"

namespace partita::planner {

// All stages of one replica, decided. Not yet a plan::Plan, because a search compares many of
// these.
struct PipelinePlan {
  bool fits = false;
  MeshParts parts;
  std::vector<Range> nodes;  // per stage
  std::vector<StagePlan> stages;
  // Weights, states and results by id; a weight of several stages once.
  std::map<ir::ValueId, spec::TensorSpec> values;
  std::map<ir::ValueId, std::string> sources;  // of values that pins decide
  plan::CostTerms predicted;                   // transfers between stages included
  double request_seconds = 0;

  // Memory of the fullest rank.
  [[nodiscard]] const plan::RankMemory& fullest_rank() const;
};

// Decides all stages on `mesh`. `profile` has a link for every axis of the mesh. `facts` are those
// of request.graph; request.mesh is not looked at. Throws kInvalidArgument naming the pins that
// leave no plan.
[[nodiscard]] PipelinePlan plan_pipeline(const GraphFacts& facts,
                                         const PlanRequest& request,
                                         const spec::Mesh& mesh,
                                         const cost::Profile& profile);

// The plan as the artefact that is written.
[[nodiscard]] plan::Plan to_plan(const PipelinePlan& pipeline, const PlanRequest& request);

}  // namespace partita::planner
