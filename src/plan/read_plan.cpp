// SPDX-License-Identifier: Apache-2.0
// plan.json in: everything is checked, every refusal names the key and the rule.
#include <algorithm>
#include <array>
#include <functional>
#include <numeric>

#include "plan/plan.h"
#include "plan/plan_keys.h"
#include "plan/value_stages.h"
#include "support/checked_math.h"
#include "support/error.h"

namespace partita::plan {
namespace {

// More ranks than any machine we know of; keeps a broken file from asking for terabytes of cells.
constexpr int64_t kMaxRanks = 65536;
constexpr size_t kMaxAxes = 32;
constexpr Range kNatural = {0, INT64_MAX};
constexpr Range kPositive = {1, INT64_MAX};

std::vector<spec::MeshAxis> axes_from_json(const KeyedObject& owner) {
  std::vector<spec::MeshAxis> axes;
  std::vector<int64_t> sizes;
  for (const auto& [name, size] : owner.object("mesh").items()) {
    if (name.empty() || !size.is_number_integer() || size < 1 || size > kMaxRanks) {
      owner.refuse("mesh", str("has the axis \"", name, "\" of size ", size.dump().substr(0, 40),
                               "; expected a name and a size within [1,", kMaxRanks, "]"));
    }
    axes.push_back({name, size.get<int64_t>()});
    sizes.push_back(axes.back().size);
  }
  if (checked_product(sizes).value_or(kMaxRanks + 1) > kMaxRanks) {
    owner.refuse("mesh", str("has more than ", kMaxRanks, " cells"));
  }
  if (axes.size() > kMaxAxes) owner.refuse("mesh", str("has more than ", kMaxAxes, " axes"));
  return axes;
}

spec::Mesh mesh_from_json(const KeyedObject& owner, std::string_view ranks_key) {
  const std::vector<spec::MeshAxis> axes = axes_from_json(owner);
  int64_t size = 1;
  for (const auto& axis : axes) size *= axis.size;
  std::vector<int> ranks(static_cast<size_t>(size));
  std::iota(ranks.begin(), ranks.end(), 0);
  if (!owner.has(ranks_key)) return {axes, ranks};
  ranks = owner.integers(ranks_key, {0, kMaxRanks});
  std::vector<int> sorted = ranks;
  std::sort(sorted.begin(), sorted.end());
  const bool repeats = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  if (static_cast<int64_t>(ranks.size()) != size || repeats) {
    owner.refuse(ranks_key, str("lists ", ranks.size(), " ranks", repeats ? ", some twice" : "",
                                "; expected ", size, " different ones, one per cell of the mesh"));
  }
  return {axes, ranks};
}

CostTerms cost_from_json(const KeyedObject& owner, std::string_view key) {
  const KeyedObject json(
      owner.object(key), owner.place_of(key),
      {"decode_compute_s", "decode_comm_s", "prefill_compute_s", "prefill_comm_s"});
  return {.decode_compute_s = json.number("decode_compute_s"),
          .decode_comm_s = json.number("decode_comm_s"),
          .prefill_compute_s = json.number("prefill_compute_s"),
          .prefill_comm_s = json.number("prefill_comm_s")};
}

Workload workload_from_json(const KeyedObject& owner) {
  const KeyedObject json(owner.object("workload"), owner.place_of("workload"),
                         {"prompt_tokens", "output_tokens", "concurrency", "max_context",
                          "max_step_tokens", "block_size"});
  return {.prompt_tokens = json.integer("prompt_tokens", kPositive),
          .output_tokens = json.integer("output_tokens", kNatural),
          .concurrency = json.integer("concurrency", kPositive),
          .max_context = json.integer("max_context", kPositive),
          .max_step_tokens = json.integer("max_step_tokens", kPositive),
          .block_size = json.integer("block_size", kPositive)};
}

std::vector<Stage> stages_from_json(const KeyedObject& root, const Plan& plan, int64_t nodes) {
  std::vector<Stage> stages;
  int64_t next = 0;
  std::vector<int> ranks;
  for (const Json& item : root.array("stages")) {
    const KeyedObject json(item, str(root.place_of("stages"), "[", stages.size(), "]"),
                           {"first_node", "end_node", "mesh", "ranks", "predicted"});
    if (json.integer("first_node", {0, nodes + 1}) != next) {
      json.refuse("first_node", str("must be ", next, ": stages follow each other without a gap"));
    }
    const int64_t end = json.integer("end_node", {next, nodes + 1});
    stages.push_back({next, end, mesh_from_json(json, "ranks"), {}});
    if (json.has("predicted")) stages.back().predicted = cost_from_json(json, "predicted");
    next = end;
    const auto& of_stage = stages.back().mesh.ranks();
    ranks.insert(ranks.end(), of_stage.begin(), of_stage.end());
  }
  std::vector<int> expected = plan.mesh.ranks();
  std::sort(expected.begin(), expected.end());
  std::sort(ranks.begin(), ranks.end());
  if (next != nodes) {
    root.refuse("stages", str("end at node ", next, "; the graph has ", nodes, " nodes"));
  }
  if (ranks != expected) {
    root.refuse("stages", "do not hold every rank of the mesh exactly once");
  }
  return stages;
}

std::vector<RankMemory> memory_from_json(const KeyedObject& root, int64_t ranks) {
  std::vector<RankMemory> memory;
  for (const Json& item : root.array("memory")) {
    const KeyedObject json(
        item, str(root.place_of("memory"), "[", memory.size(), "]"),
        {"weights", "kv_cache", "activations", "communication", "reserve", "limit"});
    // The total of a rank must not overflow.
    constexpr Range kBytes = {0, int64_t{1} << 60};
    memory.push_back({.weights = json.integer("weights", kBytes),
                      .kv_cache = json.integer("kv_cache", kBytes),
                      .activations = json.integer("activations", kBytes),
                      .communication = json.integer("communication", kBytes),
                      .reserve = json.integer("reserve", kBytes),
                      .limit = json.integer("limit", kBytes)});
  }
  if (!memory.empty() && static_cast<int64_t>(memory.size()) != ranks) {
    root.refuse("memory", str("has ", memory.size(), " entries; expected one per rank, ", ranks,
                              ", or none"));
  }
  return memory;
}

// Reads what refers to values and nodes of the graph.
class DecisionReader {
 public:
  DecisionReader(const KeyedObject& root, const ir::Graph& graph, const std::vector<Stage>& stages)
      : root_(root),
        graph_(graph),
        stages_(stages),
        value_stages_(stages_of_values(graph, stages)) {
    for (const ir::Node& node : graph.nodes()) node_names_.push_back(node.name);
    std::sort(node_names_.begin(), node_names_.end());
  }

  // Specs, and the sources of those that have one.
  void read_values(Plan& plan) const {
    for (const Json& item : root_.array("values")) {
      const KeyedObject json(item, place("values", plan.values.size()),
                             {"value", "spec", "source"});
      const ir::ValueId id = value_of(json);
      const std::string name = json.text("value");
      plan.values.emplace_back(name, spec_of(json, "spec", {id, mesh_of(id)}));
      if (json.has("source")) plan.value_sources[name] = source_of(json);
    }
  }

  [[nodiscard]] std::vector<WeightCopy> copies() const {
    std::vector<WeightCopy> result;
    if (!root_.has("copies")) return result;
    for (const Json& item : root_.array("copies")) {
      const KeyedObject json(item, place("copies", result.size()),
                             {"value", "stage", "spec", "sent"});
      const ir::ValueId id = value_of(json);
      const int stage = stage_of(json);
      const spec::Mesh& mesh = stages_[static_cast<size_t>(stage)].mesh;
      result.push_back(
          {json.text("value"), stage, spec_of(json, "spec", {id, mesh}), json.flag("sent")});
    }
    return result;
  }

  [[nodiscard]] std::vector<OpDecision> ops() const {
    std::vector<OpDecision> result;
    for (const Json& item : root_.array("ops")) {
      const KeyedObject json(item, place("ops", result.size()),
                             {"node", "strategy", "cost", "source"});
      const std::string node = json.text("node");
      check_node(json, "node", node);
      // -1 = none, -2 - i = passes partials of linear set i, else a factor (spec/strategy.h).
      result.push_back({node, json.integers("strategy", {-1024, 1024}),
                        cost_from_json(json, "cost"), source_of(json)});
    }
    return result;
  }

  [[nodiscard]] std::vector<ReshardDecision> reshards() const {
    std::vector<ReshardDecision> result;
    for (const Json& item : root_.array("reshards")) {
      const KeyedObject json(
          item, place("reshards", result.size()),
          {"value", "stage", "from", "to", "steps", "consumers", "decode_bytes", "cost"});
      result.push_back(reshard(json));
    }
    return result;
  }

 private:
  static std::string source_of(const KeyedObject& json) {
    return json.has("source") ? json.text("source") : std::string();
  }

  [[nodiscard]] std::string place(std::string_view key, size_t index) const {
    return str(root_.place_of(key), "[", index, "]");
  }

  [[nodiscard]] ir::ValueId value_of(const KeyedObject& json) const {
    const std::string name = json.text("value");
    const auto id = graph_.find_value(name);
    if (!id) json.refuse("value", str("is \"", name, "\"; expected a value of the graph"));
    return *id;
  }

  // A value on the mesh of one of its stages.
  struct Place {
    ir::ValueId id = ir::kNoId;
    const spec::Mesh& mesh;
  };

  [[nodiscard]] const spec::Mesh& mesh_of(ir::ValueId id) const {
    return stages_[static_cast<size_t>(value_stages_[static_cast<size_t>(id)])].mesh;
  }

  [[nodiscard]] int stage_of(const KeyedObject& json) const {
    return static_cast<int>(json.integer("stage", {0, static_cast<int64_t>(stages_.size())}));
  }

  [[nodiscard]] spec::TensorSpec spec_of(const KeyedObject& json,
                                         std::string_view key,
                                         const Place& place) const {
    const std::string text = json.text(key);
    const ir::ValueId id = place.id;
    try {
      const auto shape = graph_.value(id).type.shape();
      auto result = spec::parse_tensor_spec(text, shape, place.mesh);
      spec::validate(result, shape, place.mesh);
      return result;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kInternal) throw;
      json.refuse(key, str("is \"", text.substr(0, 80), "\", no spec of ", graph_.value(id).name,
                           ": ", error.what()));
    }
  }

  void check_node(const KeyedObject& json, std::string_view key, const std::string& name) const {
    if (!std::binary_search(node_names_.begin(), node_names_.end(), name)) {
      json.refuse(key, str("names \"", name, "\"; expected a node of the graph"));
    }
  }

  [[nodiscard]] ReshardDecision reshard(const KeyedObject& json) const {
    const ir::ValueId id = value_of(json);
    ReshardDecision result;
    result.value = json.text("value");
    if (json.has("stage")) result.stage = stage_of(json);
    const Place place = {
        id, json.has("stage") ? stages_[static_cast<size_t>(result.stage)].mesh : mesh_of(id)};
    result.from = spec_of(json, "from", place);
    result.to = spec_of(json, "to", place);
    for (const Json& item : json.array("steps")) {
      const KeyedObject step_json(item, str(json.place_of("steps"), "[", result.steps.size(), "]"),
                                  {"kind", "axes", "dim", "from_dim", "reduce", "result"});
      result.steps.push_back(step(step_json, place));
    }
    const spec::TensorSpec& last = result.steps.empty() ? result.from : result.steps.back().result;
    if (last != result.to) json.refuse("steps", "do not end in the spec \"to\"");
    result.consumers = json.texts("consumers");
    for (const std::string& consumer : result.consumers) {
      if (!consumer.empty()) check_node(json, "consumers", consumer);
    }
    result.decode_bytes = json.integer("decode_bytes", kNatural);
    result.cost = cost_from_json(json, "cost");
    return result;
  }

  [[nodiscard]] spec::ReshardStep step(const KeyedObject& json, const Place& place) const {
    const int64_t rank = static_cast<int64_t>(graph_.value(place.id).type.dims.size());
    spec::ReshardStep step;
    step.kind = kind_of(json);
    for (const std::string& name : json.texts("axes")) {
      const int axis = place.mesh.axis_index(name);
      if (axis < 0) json.refuse("axes", str("names \"", name, "\"; expected axes of the mesh"));
      step.axes.push_back(axis);
    }
    step.dim = static_cast<int>(json.integer("dim", {-1, rank}));
    step.from_dim = static_cast<int>(json.integer("from_dim", {-1, rank}));
    const auto reduce = parse_reduce_kind(json.text("reduce"));
    if (!reduce) json.refuse("reduce", "must be sum, prod, min, max or avg");
    step.reduce = *reduce;
    step.result = spec_of(json, "result", place);
    return step;
  }

  static spec::ReshardKind kind_of(const KeyedObject& json) {
    using Kind = spec::ReshardKind;
    const std::string text = json.text("kind");
    for (const Kind kind : {Kind::kSlice, Kind::kAllGather, Kind::kReduceScatter, Kind::kAllReduce,
                            Kind::kAllToAll, Kind::kPermute, Kind::kTerm}) {
      if (spec::to_string(kind) == text) return kind;
    }
    json.refuse("kind", str("is \"", text.substr(0, 40),
                            "\"; expected slice, all_gather, reduce_scatter, all_reduce, "
                            "all_to_all, permute or term"));
  }

  const KeyedObject& root_;
  const ir::Graph& graph_;
  const std::vector<Stage>& stages_;
  std::vector<int> value_stages_;
  std::vector<std::string_view> node_names_;  // sorted
};

constexpr int64_t kMaxOneShotBytes = int64_t{1} << 40;

void read_header(const KeyedObject& root, Plan& plan) {
  if (root.text("format") != "partita-plan") root.refuse("format", "must be \"partita-plan\"");
  (void)root.integer("version", {1, 2});
  plan.graph_hash = root.text("graph_hash");
  plan.model = root.text("model");
  plan.mesh = mesh_from_json(root, "mesh_ranks");
  plan.profile = root.text("profile");
  plan.workload = workload_from_json(root);
  plan.dtype = root.text("dtype");
  constexpr std::array<std::string_view, 4> known = {"f32", "bf16", "q8_0", "q4_0"};
  if (std::ranges::find(known, plan.dtype) == known.end()) {
    root.refuse("dtype", "must be f32, bf16, q8_0 or q4_0");
  }
  if (root.has("cache_dtype")) plan.cache_dtype = root.text("cache_dtype");
  constexpr std::array<std::string_view, 3> known_caches = {"f32", "bf16", "f16"};
  if (std::ranges::find(known_caches, plan.cache_dtype) == known_caches.end()) {
    root.refuse("cache_dtype", "must be f32, bf16 or f16");
  }
  if (root.has("wire")) plan.wire = root.text("wire");
  if (plan.wire != "f32" && plan.wire != "bf16") root.refuse("wire", "must be f32 or bf16");
  if (root.has("one_shot_bytes")) {
    plan.one_shot_bytes = root.integer("one_shot_bytes", {0, kMaxOneShotBytes});
  }
  plan.replicas = root.integer("replicas", {1, kMaxRanks});
  plan.solver = root.text("solver");
  plan.gap = root.number("gap");
  plan.predicted = cost_from_json(root, "predicted");
}

}  // namespace

Plan plan_from_json(const Json& json, const ir::Graph& graph, std::string_view what) {
  const KeyedObject root(
      json, std::string(what),
      {"format",   "version",  "graph_hash", "model",       "mesh",   "mesh_ranks",
       "profile",  "workload", "dtype",      "cache_dtype", "wire",   "one_shot_bytes",
       "replicas", "solver",   "gap",        "predicted",   "stages", "memory",
       "values",   "copies",   "ops",        "reshards"});
  Plan plan;
  read_header(root, plan);
  plan.stages = stages_from_json(root, plan, static_cast<int64_t>(graph.nodes().size()));
  if (plan.stages.empty()) root.refuse("stages", "is empty; expected at least one stage");
  plan.memory = memory_from_json(root, plan.mesh.size());
  const DecisionReader reader(root, graph, plan.stages);
  reader.read_values(plan);
  plan.copies = reader.copies();
  plan.ops = reader.ops();
  plan.reshards = reader.reshards();
  return plan;
}

}  // namespace partita::plan
