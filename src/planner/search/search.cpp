// SPDX-License-Identifier: Apache-2.0
#include "planner/search/search.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <utility>

#include "planner/mesh_candidates.h"
#include "planner/pins/pinned_meshes.h"
#include "planner/sharing.h"
#include "support/error.h"
#include "support/integers.h"

namespace partita::planner {
namespace {

constexpr std::array<std::pair<Objective, std::string_view>, 3> kNames = {{
    {Objective::kLatency, "latency"},
    {Objective::kThroughput, "throughput"},
    {Objective::kKvTokens, "kv"},
}};

// All meshes, fewest replicas first.
std::vector<spec::Mesh> meshes_of(const SearchRequest& request) {
  std::vector<spec::Mesh> meshes;
  for (int64_t replicas = 1; replicas <= request.ranks; ++replicas) {
    if (request.ranks % replicas != 0) continue;
    // A replica without a request is no use to anybody.
    if (replicas > request.plan.workload.concurrency && request.requests_per_s == 0) break;
    for (const spec::Mesh& inner :
         candidate_meshes(mesh_shapes(request.plan.profile.axes, request.plan.graph),
                          request.ranks / replicas, stage_limit(request.plan.graph))) {
      std::vector<spec::MeshAxis> axes = inner.axes();
      if (replicas > 1) axes.insert(axes.begin(), {kReplicaAxis, replicas});
      meshes.emplace_back(axes);
    }
  }
  return meshes;
}

// Cache positions that a replica could hold: those planned, and what the free bytes of its fullest
// rank have room for.
int64_t kv_tokens(const PipelinePlan& plan, const plan::Workload& workload) {
  const int64_t sequences = ceil_div(workload.concurrency, plan.parts.replicas);
  const int64_t planned =
      sequences * ceil_div(workload.max_context, workload.block_size) * workload.block_size;
  int64_t tokens = std::numeric_limits<int64_t>::max();
  for (const StagePlan& stage : plan.stages) {
    for (const plan::RankMemory& rank : stage.memory) {
      if (rank.kv_cache == 0) continue;
      const double per_token = static_cast<double>(rank.kv_cache) / static_cast<double>(planned);
      const double room = static_cast<double>(rank.limit - rank.total() + rank.kv_cache);
      tokens = std::min(tokens, static_cast<int64_t>(std::max(0.0, room) / per_token));
    }
  }
  return tokens == std::numeric_limits<int64_t>::max() ? 0 : tokens * plan.parts.replicas;
}

class Search {
 public:
  explicit Search(const SearchRequest& request) : request_(request), facts_(request.plan) {}

  PlanSearch run() {
    PlanSearch search;
    std::optional<PipelinePlan> best;
    size_t best_index = 0;
    for (const spec::Mesh& mesh : with_pinned_axes(facts_.asked().pins(), meshes_of(request_))) {
      std::optional<PipelinePlan> plan = planned(request_.plan, mesh, crowded_);
      if (!plan) continue;
      search.candidates.push_back(judge(*plan, mesh));
      const CandidateReport& candidate = search.candidates.back();
      if (!candidate.fits) continue;
      if (best && !is_better(candidate, search.candidates[best_index])) continue;
      best = std::move(*plan);
      best_index = search.candidates.size() - 1;
    }
    mark_pareto(search.candidates);
    if (!best) {
      search.result = plan_for_ranks(request_.plan, request_.ranks);
      return search;
    }
    search.candidates[best_index].is_chosen = true;
    plan::Plan plan = to_plan(*best, request_.plan);
    plan::validate(plan, request_.plan.graph);
    search.result = std::move(plan);
    return search;
  }

 private:
  // Strategy tables for a number of replicas and a way to share weights, used by all meshes with
  // as many.
  using Spaces = std::map<std::pair<int64_t, const GraphFacts*>, SubmeshSpaces>;

  // Nothing when the request leaves no cut into so many stages.
  std::optional<PipelinePlan> planned(const PlanRequest& request,
                                      const spec::Mesh& mesh,
                                      Spaces& known) const {
    const MeshParts parts = parts_of(mesh);
    if (!request.cuts.empty() && request.cuts.size() + 1 != parts.stages.size()) {
      return std::nullopt;
    }
    const auto spaces_of = [&](const GraphFacts& facts) -> SubmeshSpaces& {
      return known
          .try_emplace({parts.replicas, &facts}, facts, request, request.profile, parts.replicas)
          .first->second;
    };
    if (!try_cut_for(spaces_of(facts_.asked()), parts, StageObjective::kLatency)) {
      return std::nullopt;
    }
    const auto plan_with = [&](const GraphFacts& facts) -> SharingPlan {
      SubmeshSpaces& spaces = spaces_of(facts);
      return {plan_pipeline(spaces, cut_for(spaces, parts, StageObjective::kLatency))};
    };
    return plan_cheapest_sharing(request, facts_, plan_with).plan;
  }

  CandidateReport judge(const PipelinePlan& plan, const spec::Mesh& mesh) {
    CandidateReport report;
    report.mesh = mesh;
    report.fits = plan.fits;
    report.decode_s = plan.predicted.decode_compute_s + plan.predicted.decode_comm_s;
    report.prefill_s = plan.predicted.prefill_compute_s + plan.predicted.prefill_comm_s;
    report.request_s = plan.request_seconds;
    report.rank_bytes = plan.fullest_rank().total();
    report.limit_bytes = plan.fullest_rank().limit;
    report.kv_tokens = kv_tokens(plan, request_.plan.workload);
    report.traffic = simulate_traffic(traffic(), step_times(plan, mesh), plan.parts.replicas);
    return report;
  }

  [[nodiscard]] Traffic traffic() const {
    const plan::Workload& workload = request_.plan.workload;
    return {.requests_per_s = request_.requests_per_s,
            .clients = workload.concurrency,
            .prompt_tokens = workload.prompt_tokens,
            .output_tokens = std::max<int64_t>(1, workload.output_tokens)};
  }

  // Of every stage. One sequence alone is priced by a plan of its own: what a step costs when most
  // places are free.
  [[nodiscard]] std::vector<StepTimes> step_times(const PipelinePlan& plan,
                                                  const spec::Mesh& mesh) {
    const plan::Workload& workload = request_.plan.workload;
    const int64_t sequences = ceil_div(workload.concurrency, plan.parts.replicas);
    std::optional<PipelinePlan> single;
    if (sequences > 1) {
      PlanRequest& alone = alone_.try_emplace(plan.parts.replicas, request_.plan).first->second;
      alone.workload.concurrency = plan.parts.replicas;
      single = planned(alone, mesh, quiet_);
      CHECK(single.has_value(), "cuts do not depend on the number of requests");
    }
    std::vector<StepTimes> times;
    for (size_t stage = 0; stage < plan.stages.size(); ++stage) {
      const PhaseSeconds full = stage_seconds(plan, stage);
      const double alone_s = single ? stage_seconds(*single, stage).decode : full.decode;
      times.push_back({.decode_one_s = std::min(full.decode, alone_s),
                       .decode_full_s = full.decode,
                       .prefill_s = full.prefill,
                       .max_sequences = sequences,
                       .chunk_tokens = workload.max_step_tokens});
    }
    return times;
  }

  // A rank receives, works and sends, one after the other; what is sent counts where it arrives.
  static PhaseSeconds stage_seconds(const PipelinePlan& plan, size_t stage) {
    const plan::CostTerms& cost = plan.stages[stage].decisions.cost;
    const PhaseSeconds& received = plan.received[stage];
    return {.decode = cost.decode_compute_s + cost.decode_comm_s + received.decode,
            .prefill = cost.prefill_compute_s + cost.prefill_comm_s + received.prefill};
  }

  [[nodiscard]] bool is_better(const CandidateReport& a, const CandidateReport& b) const {
    switch (request_.objective) {
      case Objective::kLatency:
        return a.request_s < b.request_s * (1 - kWorthwhileGain);
      case Objective::kThroughput:
        return a.traffic.tokens_per_s > b.traffic.tokens_per_s * (1 + kWorthwhileGain);
      case Objective::kKvTokens:
        return static_cast<double>(a.kv_tokens) >
               static_cast<double>(b.kv_tokens) * (1 + kWorthwhileGain);
    }
    CHECK(false, "unknown objective");
    return false;
  }

  static bool dominates(const CandidateReport& a, const CandidateReport& b) {
    const bool is_no_worse = a.request_s <= b.request_s &&
                             a.traffic.tokens_per_s >= b.traffic.tokens_per_s &&
                             a.rank_bytes <= b.rank_bytes;
    const bool is_better = a.request_s < b.request_s ||
                           a.traffic.tokens_per_s > b.traffic.tokens_per_s ||
                           a.rank_bytes < b.rank_bytes;
    return is_no_worse && is_better;
  }

  static void mark_pareto(std::vector<CandidateReport>& candidates) {
    for (CandidateReport& candidate : candidates) {
      candidate.is_pareto =
          candidate.fits &&
          std::none_of(candidates.begin(), candidates.end(), [&](const CandidateReport& other) {
            return other.fits && dominates(other, candidate);
          });
    }
  }

  const SearchRequest& request_;
  SharingFacts facts_;
  std::map<int64_t, PlanRequest> alone_;  // per number of replicas: one request on each
  Spaces crowded_;                        // all requests in flight
  Spaces quiet_;                          // those of alone_
};

}  // namespace

Objective parse_objective(std::string_view text) {
  for (const auto& [objective, name] : kNames) {
    if (name == text) return objective;
  }
  throw Error(ErrorCode::kInvalidArgument,
              str("[planner] objective \"", text, "\"; expected latency, throughput or kv"));
}

std::string_view to_string(Objective objective) {
  return kNames[static_cast<size_t>(objective)].second;
}

PlanSearch search_plans(const SearchRequest& request) {
  if (request.ranks < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[planner] cannot plan for ", request.ranks, " ranks; expected at least 1"));
  }
  return Search(request).run();
}

}  // namespace partita::planner
