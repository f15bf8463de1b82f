// SPDX-License-Identifier: Apache-2.0
#include "planner/pipeline.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "cost/collective_table.h"
#include "cost/wire.h"
#include "planner/plan_space.h"
#include "support/error.h"

namespace partita::planner {
namespace {

class PipelinePlanner {
 public:
  PipelinePlanner(SubmeshSpaces& spaces, const StageLayout& layout)
      : spaces_(spaces), layout_(layout) {}

  PipelinePlan plan() {
    result_.parts = layout_.parts;
    result_.nodes = layout_.nodes;
    result_.fits = true;
    result_.received.resize(layout_.nodes.size());
    for (size_t stage = 0; stage < layout_.nodes.size(); ++stage) add_stage(stage);
    add_transfers();
    result_.request_seconds = spaces_.phases().request_seconds(
        {result_.predicted.decode_compute_s + result_.predicted.decode_comm_s,
         result_.predicted.prefill_compute_s + result_.predicted.prefill_comm_s});
    return std::move(result_);
  }

 private:
  void add_stage(size_t index) {
    result_.stages.push_back(
        spaces_.decide(layout_.parts.devices_of_stage(index), layout_.nodes[index], true));
    StagePlan& stage = result_.stages.back();
    PlanSpace& space = *stage.space;
    result_.fits = result_.fits && stage.fits;
    add_terms(result_.predicted, stage.decisions.cost);
    result_.sources.insert(stage.decisions.sources.begin(), stage.decisions.sources.end());
    const ir::Graph& graph = spaces_.facts().graph();
    for (const auto& [id, spec] : stage.decisions.values) {
      const bool is_first = result_.values.try_emplace(id, space.spec(spec)).second;
      if (is_first) {
        home_stage_[id] = index;
      } else {
        result_.copies.push_back({graph.value(id).name, static_cast<int>(index), space.spec(spec)});
      }
    }
    note_sent(index);
    // Specs of reshards are on this stage's mesh; the home of a value may be another stage.
    for (auto& [id, reshard] : stage.decisions.reshards) {
      // A step input is at home where it is read first.
      const auto home = home_stage_.try_emplace(id, stage_of(first_reader(id))).first;
      if (home->second != index) reshard.stage = static_cast<int>(index);
    }
  }

  // Weights that this stage reads and an earlier one stores.
  void note_sent(size_t index) {
    const ir::Graph& graph = spaces_.facts().graph();
    const Range nodes = layout_.nodes[index];
    for (ir::ValueId id = 0; id < static_cast<ir::ValueId>(graph.values().size()); ++id) {
      if (!spaces_.facts().is_sent(id) || first_reader(id) >= nodes.begin) continue;
      const std::vector<Use>& uses = spaces_.facts().uses_of(id);
      const bool is_read = std::any_of(uses.begin(), uses.end(), [&](const Use& use) {
        return nodes.begin <= use.node && use.node < nodes.end;
      });
      if (!is_read) continue;
      const auto rank = static_cast<int>(graph.value(id).type.dims.size());
      result_.copies.push_back({graph.value(id).name, static_cast<int>(index),
                                spec::TensorSpec::replicated(rank), true});
    }
  }

  [[nodiscard]] int64_t first_reader(ir::ValueId id) const {
    return spaces_.facts().uses_of(id).front().node;
  }

  [[nodiscard]] size_t stage_of(int64_t node) const {
    size_t stage = 0;
    while (stage + 1 < layout_.nodes.size() && node >= layout_.nodes[stage].end) ++stage;
    return stage;
  }

  void add_transfers() {
    std::set<std::pair<ir::ValueId, size_t>> sent;
    for (const ResultRead& read : reads_of_results(spaces_.facts())) {
      const size_t from = stage_of(read.made);
      const size_t to = stage_of(read.read);
      if (from == to || !sent.insert({read.value, to}).second) continue;
      const Handover handover =
          handover_between(spaces_, layout_.parts.devices_of_stage(from).ranks(),
                           layout_.parts.devices_of_stage(to).ranks());
      const PhaseSeconds seconds = handover_seconds(spaces_.facts().graph().value(read.value).type,
                                                    handover, spaces_.phases());
      result_.predicted.decode_comm_s += seconds.decode;
      result_.received[to].decode += seconds.decode;
      result_.received[to].prefill += seconds.prefill;
      result_.predicted.prefill_comm_s += seconds.prefill;
    }
  }

  SubmeshSpaces& spaces_;
  const StageLayout& layout_;
  PipelinePlan result_;
  std::map<ir::ValueId, size_t> home_stage_;
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
      if (rank.excess() > fullest->excess()) fullest = &rank;
    }
  }
  return *fullest;
}

PipelinePlan plan_pipeline(SubmeshSpaces& spaces, const StageLayout& layout) {
  return PipelinePlanner(spaces, layout).plan();
}

MeshParts parts_of_plan(const plan::Plan& plan, const spec::Mesh& requested) {
  MeshParts parts;
  parts.replicas = plan.replicas;
  parts.replica = plan.mesh;
  for (const plan::Stage& stage : plan.stages) parts.stages.push_back(stage.mesh);
  const MeshParts asked = parts_of(requested);
  const bool is_asked_for = asked.replicas == plan.replicas && asked.replica == plan.mesh;
  parts.devices.resize(static_cast<size_t>(plan.ranks()));
  std::iota(parts.devices.begin(), parts.devices.end(), 0);
  if (is_asked_for) parts.devices = asked.devices;
  return parts;
}

plan::Plan to_plan(const PipelinePlan& pipeline, const PlanRequest& request) {
  plan::Plan plan;
  plan.graph_hash = ir::hash_of(request.graph);
  plan.model = request.graph.name();
  plan.mesh = pipeline.parts.replica;
  plan.profile = request.profile.id();
  plan.workload = request.workload;
  plan.dtype = request.dtype;
  plan.cache_dtype = plan::cache_dtype_of(request.graph);
  plan.wire = request.wire;
  plan.one_shot_bytes = cost::one_shot_bytes(cost::over_wire(request.profile, request.wire),
                                             pipeline.parts.stages.front().size());
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
  plan.copies = pipeline.copies;
  std::vector<std::pair<ir::ValueId, plan::ReshardDecision>> reshards;
  for (size_t i = 0; i < pipeline.stages.size(); ++i) {
    const StagePlan& stage = pipeline.stages[i];
    plan.stages.push_back({pipeline.nodes[i].begin, pipeline.nodes[i].end, pipeline.parts.stages[i],
                           stage.decisions.cost});
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
