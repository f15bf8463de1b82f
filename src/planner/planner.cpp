// SPDX-License-Identifier: Apache-2.0
#include "planner/planner.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "planner/explain/infeasible.h"
#include "planner/mesh_candidates.h"
#include "planner/pins/pinned_meshes.h"
#include "planner/sharing.h"
#include "support/error.h"

namespace partita::planner {
namespace {

// Estimates of layouts are not better than this: so much slower ones are decided exactly too.
constexpr double kEstimateError = 0.06;

TriedMesh tried_layout(const StageLayout& layout) {
  TriedMesh tried;
  tried.mesh = layout.parts.to_string();
  tried.fits = layout.fits;
  tried.request_s = layout.request_seconds;
  return tried;
}

// What a search decides: each layout at most once.
class LayoutChoice {
 public:
  LayoutChoice(SubmeshSpaces& spaces, const std::vector<StageLayout>& layouts)
      : spaces_(spaces), layouts_(layouts), plans_(layouts.size()) {
    for (const StageLayout& layout : layouts) tried_.push_back(tried_layout(layout));
  }

  // The fastest plan that fits; when none does, the one whose fullest rank lacks the least.
  // Estimates err, so whatever may be as fast as the best one decided is decided too.
  PipelinePlan best() {
    double fastest = std::numeric_limits<double>::infinity();
    for (const StageLayout& layout : layouts_) {
      if (layout.fits) fastest = std::min(fastest, layout.request_seconds);
    }
    decide_up_to(fastest);
    for (double decided = fastest_decided(); decided > fastest; decided = fastest_decided()) {
      if (!decide_up_to(decided)) break;
    }
    if (fastest_decided() == std::numeric_limits<double>::infinity()) decide_all();
    return take_best();
  }

  [[nodiscard]] std::vector<TriedMesh> take_tried() { return std::move(tried_); }

 private:
  void decide(size_t index) {
    plans_[index] = plan_pipeline(spaces_, layouts_[index]);
    tried_[index] = tried_mesh(*plans_[index]);
    tried_[index].is_chosen = false;
  }

  // Those estimated to be as fast as that; false when there are no more.
  bool decide_up_to(double seconds) {
    bool is_any = false;
    for (size_t i = 0; i < layouts_.size(); ++i) {
      const StageLayout& layout = layouts_[i];
      const bool is_near = layout.fits && layout.request_seconds <= seconds * (1 + kEstimateError);
      if (plans_[i] || !is_near) continue;
      decide(i);
      is_any = true;
    }
    return is_any;
  }

  void decide_all() {
    for (size_t i = 0; i < layouts_.size(); ++i) {
      if (!plans_[i]) decide(i);
    }
  }

  [[nodiscard]] double fastest_decided() const {
    double fastest = std::numeric_limits<double>::infinity();
    for (const auto& plan : plans_) {
      if (plan && plan->fits) fastest = std::min(fastest, plan->request_seconds);
    }
    return fastest;
  }

  // Simple layouts without a margin first, so that no other one shuts them out.
  PipelinePlan take_best() {
    const MeshShapes shapes = mesh_shapes(spaces_.profile().axes, spaces_.facts().graph());
    std::optional<size_t> best;
    for (const bool is_plain : {true, false}) {
      for (size_t i = 0; i < layouts_.size(); ++i) {
        if (!plans_[i]) continue;
        const MeshParts& parts = layouts_[i].parts;
        const double gain = parts.is_equal() ? gain_wanted(shapes, parts.replica) : kWorthwhileGain;
        if ((gain == 0) != is_plain) continue;
        if (!best || is_better(*plans_[i], *plans_[*best], gain)) best = i;
      }
    }
    CHECK(best.has_value(), "no layout to plan for");
    tried_[*best].is_chosen = true;
    return std::move(*plans_[*best]);
  }

  SubmeshSpaces& spaces_;
  const std::vector<StageLayout>& layouts_;
  std::vector<std::optional<PipelinePlan>> plans_;  // per layout; empty = not decided
  std::vector<TriedMesh> tried_;
};

// The meshes with one stage more than there are cuts; all when the planner cuts itself.
std::vector<spec::Mesh> with_stages(std::vector<spec::Mesh> meshes,
                                    const std::vector<int64_t>& cuts) {
  if (cuts.empty()) return meshes;
  std::erase_if(meshes,
                [&](const auto& mesh) { return parts_of(mesh).stages.size() != cuts.size() + 1; });
  if (!meshes.empty()) return meshes;
  throw Error(ErrorCode::kInvalidArgument,
              str("[planner] ", cuts.size(), " cuts make ", cuts.size() + 1,
                  " stages, which the ranks cannot be shared out to equally; give another number "
                  "of ranks, or the mesh of every stage"));
}

// Equal stages of every number and, where they may be better, unequal ones.
std::vector<StageLayout> layouts_for(SubmeshSpaces& spaces, int64_t ranks) {
  std::vector<StageLayout> layouts;
  const ir::Graph& graph = spaces.facts().graph();
  const PinnedGraph& pins = spaces.facts().pins();
  const std::vector<int64_t>& cuts = spaces.request().cuts;
  auto meshes =
      candidate_meshes(mesh_shapes(spaces.profile().axes, graph), ranks, stage_limit(graph));
  const auto asked = with_pinned_axes(pins, with_stages(std::move(meshes), cuts));
  for (const spec::Mesh& mesh : asked) {
    auto layout = try_cut_for(spaces, parts_of(mesh), StageObjective::kLatency);
    if (layout) layouts.push_back(std::move(*layout));
  }
  // Where no mesh can be cut as asked, the first one says why.
  if (layouts.empty()) (void)cut_for(spaces, parts_of(asked.front()), StageObjective::kLatency);
  // Pins and cuts count stages, and a balance weighs them against each other.
  const bool is_free = spaces.request().balance.by == StageBalance::By::kObjective;
  if (!pins.stages().empty() || !cuts.empty() || !is_free) return layouts;
  auto found = search_layout(spaces, ranks, StageObjective::kLatency);
  if (found) layouts.push_back(std::move(*found));
  return layouts;
}

// The parts that a request asks for.
MeshParts parts_of_request(const PlanRequest& request) {
  return request.stage_meshes.empty() ? parts_of(request.mesh)
                                      : parts_of_stages(request.stage_meshes);
}

// The requested stages with `factor` times the ranks each.
MeshParts grown_stages(const PlanRequest& request, int64_t factor) {
  std::vector<spec::Mesh> stages;
  for (const spec::Mesh& stage : request.stage_meshes) {
    stages.push_back(resized_mesh(stage, growing_axis_size(stage) * factor));
  }
  return parts_of_stages(stages);
}

void check_devices(const MeshParts& parts, const cost::Profile& profile) {
  const int64_t devices = profile.device_count();
  const int64_t ranks = parts.replica.size() * parts.replicas;
  if (devices == 0 || ranks <= devices) return;
  throw Error(ErrorCode::kInvalidArgument,
              str("[planner] the mesh ", parts.to_string(), " has ", ranks, " ranks; ",
                  profile.name, " describes ", devices, " devices; use a smaller mesh"));
}

SharingPlan plan_parts(const GraphFacts& facts,
                       const PlanRequest& request,
                       const MeshParts& parts,
                       const cost::Profile& profile) {
  SubmeshSpaces spaces(facts, request, profile, parts.replicas);
  return {plan_pipeline(spaces, cut_for(spaces, parts, StageObjective::kSlowest))};
}

bool has_pinned_mesh(const GraphFacts& facts, const cost::Profile& profile, int64_t ranks) {
  const ir::Graph& graph = facts.graph();
  const auto meshes = candidate_meshes(mesh_shapes(profile.axes, graph), ranks, stage_limit(graph));
  return std::any_of(meshes.begin(), meshes.end(),
                     [&](const spec::Mesh& mesh) { return !misfit_of(facts.pins(), mesh); });
}

SharingPlan plan_search(const GraphFacts& facts,
                        const PlanRequest& request,
                        int64_t ranks,
                        const cost::Profile& profile) {
  SubmeshSpaces spaces(facts, request, profile, 1);
  const std::vector<StageLayout> layouts = layouts_for(spaces, ranks);
  LayoutChoice choice(spaces, layouts);
  SharingPlan result = {choice.best()};
  // The search over all sizes may end at equal stages that were tried already.
  for (TriedMesh& mesh : choice.take_tried()) {
    const auto same = [&](const TriedMesh& other) {
      return other.mesh == mesh.mesh && other.request_s == mesh.request_s;
    };
    if (std::ranges::none_of(result.tried, same) || mesh.is_chosen) {
      result.tried.push_back(std::move(mesh));
    }
  }
  return result;
}

// Plans one request in its own or a changed form, perhaps for another graph.
class Planning {
 public:
  Planning(const PlanRequest& request, std::vector<TriedMesh>* tried)
      : request_(request), facts_(request), tried_(tried) {}

  [[nodiscard]] const GraphFacts& facts() const { return facts_.asked(); }

  [[nodiscard]] SharingPlan on_parts(const PlanRequest& request,
                                     const MeshParts& parts,
                                     const cost::Profile& profile) const {
    return plan_cheapest_sharing(request, facts_, [&](const GraphFacts& facts) {
      return plan_parts(facts, request, parts, profile);
    });
  }

  [[nodiscard]] SharingPlan on_ranks(int64_t ranks, const cost::Profile& profile) const {
    return plan_cheapest_sharing(request_, facts_, [&](const GraphFacts& facts) {
      return plan_search(facts, request_, ranks, profile);
    });
  }

  // The plan, or why none fits. `more_ranks` plans the request on so many, a multiple of
  // `rank_step`.
  [[nodiscard]] PlanResult result_of(const SharingPlan& found,
                                     const std::function<PipelinePlan(int64_t)>& more_ranks,
                                     int64_t rank_step = 1) const {
    if (tried_ != nullptr) *tried_ = found.tried;
    if (found.plan.fits) {
      plan::Plan plan = to_plan(found.plan, request_);
      plan::validate(plan, request_.graph);
      return plan;
    }
    return explain_infeasible(
        {.request = request_,
         .smallest = found.plan,
         .again = [&](const PlanRequest& changed,
                      const ir::Graph& graph) { return again(changed, graph, found.plan.parts); },
         .on_ranks = more_ranks,
         .rank_step = rank_step});
  }

 private:
  [[nodiscard]] PipelinePlan again(const PlanRequest& changed,
                                   const ir::Graph& graph,
                                   const MeshParts& parts) const {
    const auto plan_with = [&](const GraphFacts& facts) {
      return plan_parts(facts, changed, parts, changed.profile);
    };
    if (&graph == &request_.graph) return plan_cheapest_sharing(changed, facts_, plan_with).plan;
    return plan_cheapest_sharing(changed, SharingFacts(changed, graph), plan_with).plan;
  }

  const PlanRequest& request_;
  SharingFacts facts_;
  std::vector<TriedMesh>* tried_;
};

}  // namespace

PlanResult make_plan(const PlanRequest& request, std::vector<TriedMesh>* tried) {
  const Planning planning(request, tried);
  const MeshParts parts = parts_of_request(request);
  check_devices(parts, request.profile);
  const bool is_by_stage = !request.stage_meshes.empty();
  if (!is_by_stage) (void)with_pinned_axes(planning.facts().pins(), {request.mesh});
  // With the growing axis at 1; unequal stages grow together.
  const int64_t all_ranks = parts.replica.size() * parts.replicas;
  const int64_t step = is_by_stage ? all_ranks : all_ranks / growing_axis_size(request.mesh);
  const auto more_ranks = [&](int64_t ranks) {
    // An axis that is new on the grown mesh has no link: the slowest known one serves.
    const cost::Profile grown = with_any_link(grown_profile(request.profile, ranks));
    const MeshParts larger = is_by_stage ? grown_stages(request, ranks / step)
                                         : parts_of(resized_mesh(request.mesh, ranks / step));
    return planning.on_parts(request, larger, grown).plan;
  };
  return planning.result_of(planning.on_parts(request, parts, request.profile), more_ranks, step);
}

PlanResult plan_for_ranks(const PlanRequest& request,
                          int64_t ranks,
                          std::vector<TriedMesh>* tried) {
  if (ranks < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[planner] cannot plan for ", ranks, " ranks; expected at least 1"));
  }
  check_devices(parts_of(spec::Mesh({{"tp", ranks}})), request.profile);
  const Planning planning(request, tried);
  const SharingPlan found = planning.on_ranks(ranks, request.profile);
  const auto more_ranks = [&](int64_t count) {
    const cost::Profile grown = grown_profile(request.profile, count);
    // A system without what the pins name is no answer.
    return has_pinned_mesh(planning.facts(), grown, count) ? planning.on_ranks(count, grown).plan
                                                           : found.plan;
  };
  return planning.result_of(found, more_ranks);
}

}  // namespace partita::planner
