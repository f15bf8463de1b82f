// SPDX-License-Identifier: Apache-2.0
#include "planner/planner.h"

#include "cost/profile_for_mesh.h"
#include "planner/explain/infeasible.h"
#include "planner/mesh_candidates.h"
#include "planner/pins/pinned_meshes.h"
#include "planner/pipeline.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using Candidate = std::pair<spec::Mesh, cost::Profile>;

// Predictions are not better than this; within it the simpler mesh, which is tried first, wins.
constexpr double kWorthwhileGain = 0.02;

bool is_better(const PipelinePlan& plan, const PipelinePlan& best) {
  if (plan.fits != best.fits) return plan.fits;
  if (!plan.fits) return plan.fullest_rank().total() < best.fullest_rank().total();
  return plan.request_seconds < best.request_seconds * (1 - kWorthwhileGain);
}

// The fastest plan that fits; when none does, the one whose fullest rank needs the least.
PipelinePlan best_of(const GraphFacts& facts,
                     const PlanRequest& request,
                     const std::vector<Candidate>& candidates) {
  std::optional<PipelinePlan> best;
  for (const auto& [mesh, profile] : candidates) {
    PipelinePlan plan = plan_pipeline(facts, request, mesh, profile);
    if (!best || is_better(plan, *best)) best = std::move(plan);
  }
  CHECK(best.has_value(), "no mesh to plan for");
  return std::move(*best);
}

plan::Plan checked_plan(const PipelinePlan& pipeline, const PlanRequest& request) {
  plan::Plan plan = to_plan(pipeline, request);
  plan::validate(plan, request.graph);
  return plan;
}

// The profile without its mesh, so that larger meshes than the described one can be judged.
cost::Profile unbounded(cost::Profile profile) {
  profile.axes.clear();
  return profile;
}

// Plans a changed request, perhaps of another graph than that of `facts`.
PipelinePlan plan_changed(const GraphFacts& facts,
                          const PlanRequest& request,
                          const spec::Mesh& mesh) {
  const cost::Profile profile = cost::profile_for_mesh(request.profile, mesh);
  if (&request.graph == &facts.graph()) return plan_pipeline(facts, request, mesh, profile);
  const GraphFacts changed(request.graph, request.keep_whole, request.pins);
  return plan_pipeline(changed, request, mesh, profile);
}

}  // namespace

PlanResult make_plan(const PlanRequest& request) {
  const cost::Profile profile = cost::profile_for_mesh(request.profile, request.mesh);
  const GraphFacts facts(request.graph, request.keep_whole, request.pins);
  (void)with_pinned_axes(facts.pins(), {request.mesh});
  const PipelinePlan plan = plan_pipeline(facts, request, request.mesh, profile);
  if (plan.fits) return checked_plan(plan, request);
  const int64_t step = request.mesh.size() / growing_axis_size(request.mesh);
  const auto on_ranks = [&](int64_t ranks) {
    const spec::Mesh grown = resized_mesh(request.mesh, ranks / step);
    cost::Profile links = unbounded(profile);
    // A mesh without tensor axis gets one, which no link is known for: the slowest known one
    // serves.
    if (grown.axis_count() > request.mesh.axis_count()) links = with_any_link(links);
    return plan_pipeline(facts, request, grown, links);
  };
  return explain_infeasible(
      {.request = request,
       .smallest = plan,
       .again =
           [&](const PlanRequest& changed) { return plan_changed(facts, changed, request.mesh); },
       .on_ranks = on_ranks,
       .rank_step = step});
}

PlanResult plan_for_ranks(const PlanRequest& request, int64_t ranks) {
  if (ranks < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[planner] cannot plan for ", ranks, " ranks; expected at least 1"));
  }
  const GraphFacts facts(request.graph, request.keep_whole, request.pins);
  const auto candidates = [&](int64_t count, const cost::Profile& profile) {
    std::vector<Candidate> result;
    auto meshes = candidate_meshes(profile.axes, count, stage_limit(request.graph));
    for (const spec::Mesh& mesh : with_pinned_axes(facts.pins(), std::move(meshes))) {
      result.emplace_back(mesh, cost::profile_for_mesh(profile, mesh));
    }
    return result;
  };
  const PipelinePlan plan = best_of(facts, request, candidates(ranks, request.profile));
  if (plan.fits) return checked_plan(plan, request);
  return explain_infeasible({.request = request,
                             .smallest = plan,
                             .again =
                                 [&](const PlanRequest& changed) {
                                   return plan_changed(facts, changed, mesh_of(plan.parts));
                                 },
                             .on_ranks =
                                 [&](int64_t count) {
                                   return best_of(
                                       facts, request,
                                       candidates(count, grown_profile(request.profile, count)));
                                 }});
}

}  // namespace partita::planner
