// SPDX-License-Identifier: Apache-2.0
// plan.json out: the keys in the order of docs/formats/plan.md, so that equal plans give equal
// bytes.
#include <numeric>

#include "plan/plan.h"
#include "plan/value_stages.h"
#include "support/error.h"

namespace partita::plan {
namespace {

Json mesh_to_json(const spec::Mesh& mesh) {
  Json json = Json::object();
  for (const auto& axis : mesh.axes()) json[axis.name] = axis.size;
  return json;
}

bool has_plain_ranks(const spec::Mesh& mesh) {
  std::vector<int> plain(static_cast<size_t>(mesh.size()));
  std::iota(plain.begin(), plain.end(), 0);
  return mesh.ranks() == plain;
}

Json cost_to_json(const CostTerms& cost) {
  Json json;
  json["decode_compute_s"] = cost.decode_compute_s;
  json["decode_comm_s"] = cost.decode_comm_s;
  json["prefill_compute_s"] = cost.prefill_compute_s;
  json["prefill_comm_s"] = cost.prefill_comm_s;
  return json;
}

Json workload_to_json(const Workload& workload) {
  Json json;
  json["prompt_tokens"] = workload.prompt_tokens;
  json["output_tokens"] = workload.output_tokens;
  json["concurrency"] = workload.concurrency;
  json["max_context"] = workload.max_context;
  json["max_step_tokens"] = workload.max_step_tokens;
  json["block_size"] = workload.block_size;
  return json;
}

Json stages_to_json(const Plan& plan) {
  Json list = Json::array();
  for (const Stage& stage : plan.stages) {
    Json json;
    json["first_node"] = stage.first_node;
    json["end_node"] = stage.end_node;
    json["mesh"] = mesh_to_json(stage.mesh);
    json["ranks"] = stage.mesh.ranks();
    json["predicted"] = cost_to_json(stage.predicted);
    list.push_back(std::move(json));
  }
  return list;
}

Json memory_to_json(const Plan& plan) {
  Json list = Json::array();
  for (const RankMemory& memory : plan.memory) {
    Json json;
    json["weights"] = memory.weights;
    json["kv_cache"] = memory.kv_cache;
    json["activations"] = memory.activations;
    json["communication"] = memory.communication;
    json["reserve"] = memory.reserve;
    json["limit"] = memory.limit;
    list.push_back(std::move(json));
  }
  return list;
}

Json ops_to_json(const Plan& plan) {
  Json list = Json::array();
  for (const OpDecision& op : plan.ops) {
    Json json;
    json["node"] = op.node;
    json["strategy"] = op.axis_factor;
    json["cost"] = cost_to_json(op.cost);
    if (!op.source.empty()) json["source"] = op.source;
    list.push_back(std::move(json));
  }
  return list;
}

// Writes specs of values; knows on which mesh each value lies.
class SpecWriter {
 public:
  SpecWriter(const Plan& plan, const ir::Graph& graph)
      : plan_(plan), graph_(graph), value_stages_(stages_of_values(graph, plan.stages)) {}

  [[nodiscard]] Json values() const {
    Json list = Json::array();
    for (const auto& [name, spec] : plan_.values) {
      const ir::ValueId id = id_of(name);
      Json json;
      json["value"] = name;
      json["spec"] = spec::to_string(spec, graph_.value(id).type.shape(), mesh_of(id));
      const auto source = plan_.value_sources.find(name);
      if (source != plan_.value_sources.end()) json["source"] = source->second;
      list.push_back(std::move(json));
    }
    return list;
  }

  [[nodiscard]] Json copies() const {
    Json list = Json::array();
    for (const WeightCopy& copy : plan_.copies) {
      Json json;
      json["value"] = copy.value;
      json["stage"] = copy.stage;
      json["spec"] = spec::to_string(copy.spec, graph_.value(id_of(copy.value)).type.shape(),
                                     mesh_of_stage(copy.stage));
      if (copy.is_sent) json["sent"] = true;
      list.push_back(std::move(json));
    }
    return list;
  }

  [[nodiscard]] Json reshards() const {
    Json list = Json::array();
    for (const ReshardDecision& reshard : plan_.reshards) list.push_back(reshard_to_json(reshard));
    return list;
  }

 private:
  [[nodiscard]] ir::ValueId id_of(const std::string& name) const {
    const auto id = graph_.find_value(name);
    if (!id) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[plan] value \"", name, "\" is not in graph ", graph_.name(),
                      "; expected a plan of this graph"));
    }
    return *id;
  }

  [[nodiscard]] const spec::Mesh& mesh_of(ir::ValueId id) const {
    if (plan_.stages.empty()) return plan_.mesh;
    return plan_.stages[static_cast<size_t>(value_stages_[static_cast<size_t>(id)])].mesh;
  }

  [[nodiscard]] const spec::Mesh& mesh_of_stage(int stage) const {
    return plan_.stages.at(static_cast<size_t>(stage)).mesh;
  }

  static std::vector<std::string> axis_names(const std::vector<int>& axes, const spec::Mesh& mesh) {
    std::vector<std::string> names;
    for (const int axis : axes) names.push_back(mesh.axes().at(static_cast<size_t>(axis)).name);
    return names;
  }

  [[nodiscard]] Json reshard_to_json(const ReshardDecision& reshard) const {
    const ir::ValueId id = id_of(reshard.value);
    const std::vector<int64_t> shape = graph_.value(id).type.shape();
    const bool is_own = reshard.stage == ReshardDecision::kOwnStage;
    const spec::Mesh& mesh = is_own ? mesh_of(id) : mesh_of_stage(reshard.stage);
    Json json;
    json["value"] = reshard.value;
    if (!is_own) json["stage"] = reshard.stage;
    json["from"] = spec::to_string(reshard.from, shape, mesh);
    json["to"] = spec::to_string(reshard.to, shape, mesh);
    json["steps"] = Json::array();
    for (const spec::ReshardStep& step : reshard.steps) {
      Json step_json;
      step_json["kind"] = spec::to_string(step.kind);
      step_json["axes"] = axis_names(step.axes, mesh);
      step_json["dim"] = step.dim;
      step_json["from_dim"] = step.from_dim;
      step_json["reduce"] = to_string(step.reduce);
      step_json["result"] = spec::to_string(step.result, shape, mesh);
      json["steps"].push_back(std::move(step_json));
    }
    json["consumers"] = reshard.consumers;
    json["decode_bytes"] = reshard.decode_bytes;
    json["cost"] = cost_to_json(reshard.cost);
    return json;
  }

  const Plan& plan_;
  const ir::Graph& graph_;
  std::vector<int> value_stages_;
};

}  // namespace

Json to_json(const Plan& plan, const ir::Graph& graph) {
  const SpecWriter writer(plan, graph);
  Json json;
  json["format"] = "partita-plan";
  json["version"] = 1;
  json["graph_hash"] = plan.graph_hash;
  json["model"] = plan.model;
  json["mesh"] = mesh_to_json(plan.mesh);
  if (!has_plain_ranks(plan.mesh)) json["mesh_ranks"] = plan.mesh.ranks();
  json["profile"] = plan.profile;
  json["workload"] = workload_to_json(plan.workload);
  json["dtype"] = plan.dtype;
  if (plan.cache_dtype != "f32") json["cache_dtype"] = plan.cache_dtype;
  if (plan.wire != "f32") json["wire"] = plan.wire;
  if (plan.one_shot_bytes != Plan::kOwnChoice) json["one_shot_bytes"] = plan.one_shot_bytes;
  json["replicas"] = plan.replicas;
  json["solver"] = plan.solver;
  json["gap"] = plan.gap;
  json["predicted"] = cost_to_json(plan.predicted);
  json["stages"] = stages_to_json(plan);
  json["memory"] = memory_to_json(plan);
  json["values"] = writer.values();
  if (!plan.copies.empty()) json["copies"] = writer.copies();
  json["ops"] = ops_to_json(plan);
  json["reshards"] = writer.reshards();
  return json;
}

std::string hash_of(const Plan& plan, const ir::Graph& graph) {
  const std::string text = to_json(plan, graph).dump();
  uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a, 64 bits: offset basis and prime
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  std::string digits(16, '0');
  for (size_t i = 0; i < digits.size(); ++i) {
    digits[i] = "0123456789abcdef"[(hash >> (60 - 4 * i)) & 0xfU];
  }
  return digits;
}

}  // namespace partita::plan
