// SPDX-License-Identifier: Apache-2.0
#include "planner/pipeline.h"

#include <algorithm>
#include <set>

#include "cost/collective_cost.h"
#include "planner/pins/pin_conflict.h"
#include "planner/pins/stage_pins.h"
#include "planner/plan_space.h"
#include "planner/stages.h"
#include "support/error.h"

namespace partita::planner {
namespace {

// A result that a later stage reads.
struct Crossing {
  ir::ValueId value = ir::kNoId;
  int64_t made = 0;  // by this node
  int64_t read = 0;  // by this node, or the number of nodes for outputs of the graph
};

std::vector<Crossing> reads_of_results(const GraphFacts& facts) {
  std::vector<Crossing> reads;
  const auto& values = facts.graph().values();
  for (ir::ValueId id = 0; id < static_cast<ir::ValueId>(values.size()); ++id) {
    if (values[static_cast<size_t>(id)].kind != ir::ValueKind::kResult) continue;
    for (const Use& use : facts.uses_of(id)) {
      const int64_t read = use.node == ir::kNoId ? facts.node_count() : use.node;
      reads.push_back({id, values[static_cast<size_t>(id)].producer, read});
    }
  }
  return reads;
}

class PipelinePlanner {
 public:
  PipelinePlanner(const GraphFacts& facts,
                  const PlanRequest& request,
                  const spec::Mesh& mesh,
                  const cost::Profile& profile)
      : facts_(facts),
        request_(request),
        profile_(profile),
        parts_(parts_of(mesh)),
        phases_(phases_of(request.workload, facts.graph(), parts_.replicas)),
        space_({facts, parts_.stages.front(), profile, phases_},
               {.shard_weights = request.shard_weights}) {}

  PipelinePlan plan() {
    PipelinePlan result;
    result.parts = parts_;
    result.nodes = stage_ranges();
    result.fits = true;
    for (const Range& nodes : result.nodes) {
      result.stages.push_back(decided({.nodes = nodes,
                                       .pinned = pinned_,
                                       .time_limit_s = request_.time_limit_s,
                                       .solver = request_.solver}));
      const StagePlan& stage = result.stages.back();
      result.fits = result.fits && stage.fits;
      add_terms(result.predicted, stage.decisions.cost);
      for (const auto& [id, spec] : stage.decisions.values) {
        result.values.try_emplace(id, space_.spec(spec));
      }
      result.sources.insert(stage.decisions.sources.begin(), stage.decisions.sources.end());
    }
    add_transfers(result);
    result.request_seconds = phases_.request_seconds(
        {result.predicted.decode_compute_s + result.predicted.decode_comm_s,
         result.predicted.prefill_compute_s + result.predicted.prefill_comm_s});
    return result;
  }

 private:
  // The nodes of each stage. All nodes are decided as one stage first: that gives the load of each
  // node and the specs of weights that several stages read.
  std::vector<Range> stage_ranges() {
    const Range all = {0, facts_.node_count()};
    const auto stages = static_cast<int>(parts_.stages.size());
    if (stages == 1) return {all};
    if (facts_.node_count() < stages) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[planner] ", stages, " stages for a graph of ", facts_.node_count(),
                      " nodes; use a smaller pp"));
    }
    const StagePlan whole = plan_whole(false);
    auto ranges = balanced(whole, true);
    if (!ranges) {
      const StagePlan smallest = plan_whole(true);
      ranges = balanced(smallest, true);
      if (!ranges) ranges = balanced(smallest, false);
      if (!ranges) throw_stage_conflict(facts_.graph(), facts_.pins(), stages);
      pin_shared(smallest, *ranges);
    } else {
      pin_shared(whole, *ranges);
    }
    return *ranges;
  }

  StagePlan plan_whole(bool is_smallest) {
    return decided({.nodes = {0, facts_.node_count()},
                    .pinned = pinned_,
                    .time_limit_s = request_.time_limit_s,
                    .is_bounded = is_smallest,
                    .solver = request_.solver});
  }

  StagePlan decided(const StageRequest& stage) {
    std::optional<StagePlan> plan = plan_forced_stage(space_, stage);
    if (plan) return std::move(*plan);
    CHECK(!facts_.pins().empty(), "no choice of strategies is legal");
    throw_conflict({.facts = facts_,
                    .keep_whole = request_.keep_whole,
                    .context = {facts_, parts_.stages.front(), profile_, phases_},
                    .nodes = stage.nodes});
  }

  [[nodiscard]] std::optional<std::vector<Range>> balanced(const StagePlan& whole,
                                                           bool is_bounded) {
    const std::vector<NodeLoad> loads = loads_of(whole);
    const auto stages = static_cast<int>(parts_.stages.size());
    const std::vector<int64_t> positions =
        with_pinned_cuts(facts_.pins(), cut_positions(facts_.graph(), stages));
    const std::vector<double> crossing = crossing_seconds(positions);
    BalanceRequest request = {
        .loads = loads, .positions = positions, .crossing_seconds = crossing, .stages = stages};
    const std::vector<int> pinned = pinned_stages(facts_.pins(), facts_.node_count());
    request.pinned_stage = pinned;
    if (is_bounded) {
      request.stage_bytes = profile_.device.memory_bytes - profile_.device.reserve_bytes -
                            whole.decisions.activation_bytes - whole.decisions.communication_bytes;
    }
    return balance_stages(request);
  }

  [[nodiscard]] std::vector<NodeLoad> loads_of(const StagePlan& whole) {
    std::vector<NodeLoad> loads;
    for (const PhaseSeconds& seconds : whole.decisions.node_cost) {
      loads.push_back({phases_.request_seconds(seconds), 0});
    }
    for (const auto& [id, spec] : whole.decisions.values) {
      if (facts_.graph().value(id).kind == ir::ValueKind::kResult) continue;
      for (const Use& use : facts_.uses_of(id)) {
        if (use.node == ir::kNoId) continue;
        loads[static_cast<size_t>(use.node)].bytes += space_.largest_bytes(spec, id);
      }
    }
    return loads;
  }

  // Per position: handing over every value that is made before and read after.
  [[nodiscard]] std::vector<double> crossing_seconds(const std::vector<int64_t>& positions) const {
    std::map<ir::ValueId, Crossing> last_reads;
    for (const Crossing& read : reads_of_results(facts_)) {
      Crossing& last = last_reads.try_emplace(read.value, read).first->second;
      last.read = std::max(last.read, read.read);
    }
    std::vector<double> change(static_cast<size_t>(facts_.node_count()) + 2, 0);
    for (const auto& [id, crossing] : last_reads) {
      const double seconds = phases_.request_seconds(transfer(id));
      change[static_cast<size_t>(crossing.made) + 1] += seconds;
      change[static_cast<size_t>(crossing.read) + 1] -= seconds;
    }
    std::vector<double> before_node(change.size(), 0);
    for (size_t i = 1; i < change.size(); ++i) before_node[i] = before_node[i - 1] + change[i];
    std::vector<double> result;
    for (const int64_t position : positions) {
      result.push_back(before_node[static_cast<size_t>(position)]);
    }
    return result;
  }

  [[nodiscard]] PhaseSeconds transfer(ir::ValueId id) const {
    const ir::TensorType& type = facts_.graph().value(id).type;
    const auto seconds = [&](const ir::SymbolSizes& symbols) {
      return cost::transfer_seconds(static_cast<double>(type.bytes(symbols)), profile_, kStageAxis);
    };
    return {seconds(phases_.decode), seconds(phases_.prefill)};
  }

  // A weight that several stages read is decided once, by the solution for the whole graph.
  void pin_shared(const StagePlan& whole, const std::vector<Range>& ranges) {
    const auto stage_of = [&](ir::NodeId node) {
      size_t stage = 0;
      while (node >= ranges[stage].end) ++stage;
      return stage;
    };
    for (const auto& [id, spec] : whole.decisions.values) {
      if (facts_.graph().value(id).kind == ir::ValueKind::kResult) continue;
      std::set<size_t> stages;
      for (const Use& use : facts_.uses_of(id)) {
        if (use.node != ir::kNoId) stages.insert(stage_of(use.node));
      }
      if (stages.size() > 1) pinned_[id] = spec;
    }
  }

  void add_transfers(PipelinePlan& plan) const {
    const auto stage_of = [&](int64_t node) {
      size_t stage = 0;
      while (stage + 1 < plan.nodes.size() && node >= plan.nodes[stage].end) ++stage;
      return stage;
    };
    std::set<std::pair<ir::ValueId, size_t>> sent;
    for (const Crossing& read : reads_of_results(facts_)) {
      const size_t reader = stage_of(read.read);
      if (reader == stage_of(read.made) || !sent.insert({read.value, reader}).second) continue;
      const PhaseSeconds seconds = transfer(read.value);
      plan.predicted.decode_comm_s += seconds.decode;
      plan.predicted.prefill_comm_s += seconds.prefill;
    }
  }

  const GraphFacts& facts_;
  const PlanRequest& request_;
  const cost::Profile& profile_;
  MeshParts parts_;
  Phases phases_;
  PlanSpace space_;
  PinnedSpecs pinned_;
};

// Per rank of the replica, from the cells of its stage.
std::vector<plan::RankMemory> memory_per_rank(const PipelinePlan& pipeline) {
  std::vector<plan::RankMemory> memory(static_cast<size_t>(pipeline.parts.replica.size()));
  for (size_t stage = 0; stage < pipeline.stages.size(); ++stage) {
    const auto& ranks = pipeline.parts.stages[stage].ranks();
    for (size_t cell = 0; cell < ranks.size(); ++cell) {
      memory.at(static_cast<size_t>(ranks[cell])) = pipeline.stages[stage].memory[cell];
    }
  }
  return memory;
}

double gap_of(const PipelinePlan& pipeline) {
  Cost cost = 0;
  Cost lower_bound = 0;
  for (const StagePlan& stage : pipeline.stages) {
    cost += stage.cost;
    lower_bound += stage.lower_bound;
  }
  return cost <= lower_bound ? 0
                             : static_cast<double>(cost - lower_bound) / static_cast<double>(cost);
}

}  // namespace

const plan::RankMemory& PipelinePlan::fullest_rank() const {
  const plan::RankMemory* fullest = &stages.front().memory.front();
  for (const StagePlan& stage : stages) {
    for (const plan::RankMemory& rank : stage.memory) {
      if (rank.total() > fullest->total()) fullest = &rank;
    }
  }
  return *fullest;
}

PipelinePlan plan_pipeline(const GraphFacts& facts,
                           const PlanRequest& request,
                           const spec::Mesh& mesh,
                           const cost::Profile& profile) {
  return PipelinePlanner(facts, request, mesh, profile).plan();
}

plan::Plan to_plan(const PipelinePlan& pipeline, const PlanRequest& request) {
  plan::Plan plan;
  plan.graph_hash = ir::hash_of(request.graph);
  plan.model = request.graph.name();
  plan.mesh = pipeline.parts.replica;
  plan.profile = request.profile.id();
  plan.workload = request.workload;
  plan.dtype = request.dtype;
  plan.replicas = pipeline.parts.replicas;
  plan.predicted = pipeline.predicted;
  plan.gap = gap_of(pipeline);
  plan.memory = memory_per_rank(pipeline);
  for (const auto& [id, spec] : pipeline.values) {
    plan.values.emplace_back(request.graph.value(id).name, spec);
  }
  for (const auto& [id, source] : pipeline.sources) {
    plan.value_sources[request.graph.value(id).name] = source;
  }
  std::vector<std::pair<ir::ValueId, plan::ReshardDecision>> reshards;
  for (size_t i = 0; i < pipeline.stages.size(); ++i) {
    const StagePlan& stage = pipeline.stages[i];
    plan.stages.push_back(
        {pipeline.nodes[i].begin, pipeline.nodes[i].end, pipeline.parts.stages[i]});
    plan.ops.insert(plan.ops.end(), stage.decisions.ops.begin(), stage.decisions.ops.end());
    reshards.insert(reshards.end(), stage.decisions.reshards.begin(),
                    stage.decisions.reshards.end());
    if (i == 0 || stage.solver.size() > plan.solver.size()) plan.solver = stage.solver;
  }
  std::stable_sort(reshards.begin(), reshards.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [id, reshard] : reshards) plan.reshards.push_back(std::move(reshard));
  return plan;
}

}  // namespace partita::planner
