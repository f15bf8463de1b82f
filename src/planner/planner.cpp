// SPDX-License-Identifier: Apache-2.0
#include "planner/planner.h"

#include <algorithm>
#include <bit>

#include "cost/profile_for_mesh.h"
#include "planner/mesh_candidates.h"
#include "planner/pins/pinned_meshes.h"
#include "planner/pipeline.h"
#include "support/error.h"

namespace partita::planner {
namespace {

// Larger systems than this are suggested to nobody.
constexpr int64_t kMaxSuggestedRanks = 4096;

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

std::string gigabytes(int64_t bytes) {
  const auto tenths = (bytes + 50'000'000) / 100'000'000;
  return str(tenths / 10, ".", tenths % 10, " GB");
}

// The first power of two that may be enough, judged by what the ranks lack in total.
int64_t first_factor(const plan::RankMemory& memory) {
  const int64_t fixed = memory.reserve + memory.activations + memory.communication;
  const int64_t room = std::max<int64_t>(1, memory.limit - fixed);
  const int64_t factor = (memory.weights + memory.kv_cache) / room;
  return std::max<int64_t>(2, static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(factor))));
}

// `candidates(factor)` gives the meshes with `factor` times as many ranks.
template <typename Candidates>
Infeasible infeasible(const GraphFacts& facts,
                      const PlanRequest& request,
                      const PipelinePlan& smallest,
                      const Candidates& candidates) {
  Infeasible result;
  result.memory = smallest.fullest_rank();
  result.shortfall_bytes = result.memory.total() - result.memory.limit;
  const int64_t ranks = smallest.parts.replica.size() * smallest.parts.replicas;
  for (int64_t factor = first_factor(result.memory);
       !result.fitting_ranks && ranks * factor <= kMaxSuggestedRanks; factor *= 2) {
    const PipelinePlan larger = best_of(facts, request, candidates(factor));
    if (!larger.fits) continue;
    result.fitting_ranks = ranks * factor;
    result.fitting_mesh = larger.parts.replica.to_string();
  }
  result.reason = str(
      "[planner] ", request.graph.name(), " does not fit on ", ranks, " devices of ",
      gigabytes(result.memory.limit), ": the fullest rank needs ", gigabytes(result.memory.total()),
      " (weights ", gigabytes(result.memory.weights), ", KV cache ",
      gigabytes(result.memory.kv_cache), ", activations ", gigabytes(result.memory.activations),
      ", buffers ", gigabytes(result.memory.communication), ", reserve ",
      gigabytes(result.memory.reserve), "), ", gigabytes(result.shortfall_bytes), " too much; ",
      result.fitting_ranks ? str("the smallest that fits is ", *result.fitting_ranks, " devices (",
                                 result.fitting_mesh, ")")
                           : "lower the context, the concurrency or the step size");
  return result;
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

}  // namespace

PlanResult make_plan(const PlanRequest& request) {
  const cost::Profile profile = cost::profile_for_mesh(request.profile, request.mesh);
  const GraphFacts facts(request.graph, request.keep_whole, request.pins);
  (void)with_pinned_axes(facts.pins(), {request.mesh});
  const PipelinePlan plan = plan_pipeline(facts, request, request.mesh, profile);
  if (plan.fits) return checked_plan(plan, request);
  return infeasible(facts, request, plan, [&](int64_t factor) {
    const spec::Mesh grown = grown_mesh(request.mesh, factor);
    cost::Profile links = unbounded(profile);
    // A mesh without tensor axis gets one, which no link is known for: the slowest known one
    // serves.
    if (grown.axis_count() > request.mesh.axis_count()) links = with_any_link(links);
    return std::vector<Candidate>{{grown, links}};
  });
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
  return infeasible(facts, request, plan, [&](int64_t factor) {
    return candidates(ranks * factor, grown_profile(request.profile, ranks * factor));
  });
}

}  // namespace partita::planner
