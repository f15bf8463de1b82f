// SPDX-License-Identifier: Apache-2.0
// How weights with several readers get to the stages that read them, where the cost decides.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "planner/pipeline.h"

namespace partita::planner {

// The facts of a request's graph for either way. Thread-compatible.
class SharingFacts {
 public:
  explicit SharingFacts(const PlanRequest& request) : SharingFacts(request, request.graph) {}
  // Of another graph, as the request asks for its own.
  SharingFacts(const PlanRequest& request, const ir::Graph& graph);

  // Shared weights as the request asks for; copied where the cost decides.
  [[nodiscard]] const GraphFacts& asked() const { return asked_; }
  // Shared weights sent; made at the first call.
  [[nodiscard]] const GraphFacts& sending() const;

 private:
  GraphFacts asked_;
  mutable std::optional<GraphFacts> sending_;
};

// The facts of the graph of a plan that was made before.
[[nodiscard]] GraphFacts facts_of(const PlanRequest& request, const plan::Plan& plan);

// A plan, and what was looked at for it; the chosen one among them.
struct SharingPlan {
  PipelinePlan plan;
  std::vector<TriedMesh> tried = {};
};

// Plans with shared weights as the request asks for, and where that is for the cost to decide and
// may be better, with all of them sent. The plan that fits, else the faster one, else the one that
// copies. When both were looked at, `tried` says of every mesh which it is.
[[nodiscard]] SharingPlan plan_cheapest_sharing(
    const PlanRequest& request,
    const SharingFacts& facts,
    const std::function<SharingPlan(const GraphFacts&)>& plan_with);

// Whether `plan` is the better one: it fits, or lacks less memory, or is faster by that share.
[[nodiscard]] bool is_better(const PipelinePlan& plan, const PipelinePlan& best, double gain);

// A mesh that was planned, as it is reported.
[[nodiscard]] TriedMesh tried_mesh(const PipelinePlan& plan);

}  // namespace partita::planner
