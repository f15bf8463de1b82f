// SPDX-License-Identifier: Apache-2.0
#include "planner/baselines/baselines.h"

#include <algorithm>

#include "planner/graph_facts.h"
#include "planner/mesh_candidates.h"
#include "planner/pins/tp_plan.h"
#include "planner/pipeline.h"
#include "support/error.h"

namespace partita::planner {
namespace {

// The modules of every family; a model has some of them.
TpPlan megatron_rules() {
  TpPlan plan;
  plan.what = "Megatron-LM";
  for (const char* columns :
       {"layers.*.self_attn.q_proj", "layers.*.self_attn.k_proj", "layers.*.self_attn.v_proj",
        "layers.*.mlp.gate_proj", "layers.*.mlp.up_proj", "layers.*.mlp.experts.gate_up_proj",
        "h.*.attn.c_attn", "h.*.mlp.c_fc"}) {
    plan.entries.push_back({columns, "colwise"});
  }
  for (const char* rows : {"layers.*.self_attn.o_proj", "layers.*.mlp.down_proj",
                           "layers.*.mlp.experts.down_proj", "h.*.attn.c_proj", "h.*.mlp.c_proj"}) {
    plan.entries.push_back({rows, "rowwise"});
  }
  plan.entries.push_back({"layers.*.mlp.experts", "moe_tp_experts"});
  plan.entries.push_back({"embed_tokens", "embedding_rowwise"});
  plan.entries.push_back({"wte", "embedding_rowwise"});
  plan.entries.push_back({"lm_head", "colwise_gather_output"});
  return plan;
}

int64_t layers_of(const ir::Graph& graph) {
  int64_t layers = 0;
  for (const ir::Node& node : graph.nodes()) layers = std::max<int64_t>(layers, node.layer + 1);
  return layers;
}

}  // namespace

std::vector<Pin> megatron_pins(const ir::Graph& graph) {
  return import_tp_plan(graph, megatron_rules(), Unlisted::kWhole).pins;
}

std::vector<int64_t> even_layer_cuts(const ir::Graph& graph, int64_t stages) {
  const int64_t layers = layers_of(graph);
  if (layers < stages) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[planner] ", graph.name(), " has ", layers, " layers; an even split into ",
                    stages, " stages needs at least one for each"));
  }
  std::vector<int64_t> cuts;
  int64_t border = 0;
  for (int64_t stage = 0; stage + 1 < stages; ++stage) {
    border += layers / stages + (stage < layers % stages ? 1 : 0);
    const auto first = std::ranges::find_if(
        graph.nodes(), [&](const ir::Node& node) { return node.layer >= border; });
    cuts.push_back(first - graph.nodes().begin());
  }
  return cuts;
}

const char* to_string(Baseline baseline) {
  switch (baseline) {
    case Baseline::kMegatron:
      return "Megatron";
    case Baseline::kEvenLayers:
      return "even layers";
  }
  CHECK(false, "unknown baseline");
  return "";
}

BaselinePrice price_baseline(const PlanRequest& request, Baseline baseline) {
  PlanRequest own = request;
  own.pins = baseline == Baseline::kMegatron ? megatron_pins(request.graph) : std::vector<Pin>();
  own.equal_shares = true;
  own.balance = {};
  own.shared_weights = SharedWeights::kCopied;
  const MeshParts parts = parts_of(request.mesh);
  own.cuts = even_layer_cuts(request.graph, static_cast<int64_t>(parts.stages.size()));
  const GraphFacts facts(request.graph, request.keep_whole, own.pins);
  SubmeshSpaces spaces(facts, own, own.profile, parts.replicas);
  const PipelinePlan plan = plan_pipeline(spaces, cut_for(spaces, parts, StageObjective::kLatency));
  return {.baseline = baseline,
          .mesh = parts.to_string(),
          .fits = plan.fits,
          .step = plan.predicted,
          .request_s = plan.request_seconds};
}

std::vector<spec::Mesh> baseline_meshes(const ir::Graph& graph, int64_t ranks) {
  std::vector<spec::Mesh> meshes;
  for (int64_t stages = 1; stages <= std::min(ranks, stage_limit(graph)); ++stages) {
    if (ranks % stages != 0) continue;
    std::vector<spec::MeshAxis> axes;
    if (stages > 1) axes.push_back({kStageAxis, stages});
    if (stages < ranks) axes.push_back({"tp", ranks / stages});
    meshes.emplace_back(axes);
  }
  return meshes;
}

}  // namespace partita::planner
