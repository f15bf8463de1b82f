// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/plan_diff.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "plan/value_stages.h"
#include "planner/explain/human_text.h"
#include "planner/explain/names.h"
#include "planner/explain/summary.h"
#include "planner/graph_facts.h"
#include "spec/strategy.h"
#include "support/error.h"

namespace partita::planner {
namespace {

// The decisions of one plan as text, by node and value.
class PlanTexts {
 public:
  PlanTexts(const plan::Plan& plan, const GraphFacts& facts)
      : plan_(plan),
        facts_(facts),
        operators_(static_cast<size_t>(facts.node_count()), "replicated"),
        values_(facts.graph().values().size(), "replicated"),
        reshards_(facts.graph().values().size()),
        stages_(plan::stages_of_values(facts.graph(), plan.stages)) {
    read_operators();
    for (const auto& [name, spec] : plan.values) {
      const ir::ValueId id = id_of(name);
      values_[static_cast<size_t>(id)] = spec_text(facts_, id, spec, mesh_of(id));
    }
    for (const plan::ReshardDecision& reshard : plan.reshards) {
      const ir::ValueId id = id_of(reshard.value);
      const bool is_own = reshard.stage == plan::ReshardDecision::kOwnStage;
      const spec::Mesh& mesh =
          is_own ? mesh_of(id) : plan.stages[static_cast<size_t>(reshard.stage)].mesh;
      std::string& text = reshards_[static_cast<size_t>(id)];
      text += str(text.empty() ? "" : "; ", path_text(reshard.steps, mesh), " to ",
                  spec_text(facts_, id, reshard.to, mesh));
    }
    for (const plan::WeightCopy& copy : plan.copies) {
      const ir::ValueId id = id_of(copy.value);
      values_[static_cast<size_t>(id)] +=
          str(", copy on stage ", copy.stage, " ",
              spec_text(facts_, id, copy.spec, plan.stages[static_cast<size_t>(copy.stage)].mesh));
    }
  }

  [[nodiscard]] const std::string& of_operator(ir::NodeId node) const {
    return operators_[static_cast<size_t>(node)];
  }
  [[nodiscard]] const std::string& of_value(ir::ValueId value) const {
    return values_[static_cast<size_t>(value)];
  }
  [[nodiscard]] std::string of_reshards(ir::ValueId value) const {
    const std::string& text = reshards_[static_cast<size_t>(value)];
    return text.empty() ? "none" : text;
  }

 private:
  void read_operators() {
    std::map<std::string_view, ir::NodeId> nodes;
    for (ir::NodeId node = 0; node < facts_.node_count(); ++node) {
      nodes[facts_.graph().node(node).name] = node;
    }
    for (const plan::OpDecision& op : plan_.ops) {
      const ir::NodeId node = nodes.at(op.node);
      const auto stage = static_cast<size_t>(plan_.stage_of_node(node));
      const NodeKind& kind = facts_.kinds()[static_cast<size_t>(facts_.kind_of(node))];
      operators_[static_cast<size_t>(node)] = spec::to_string(
          spec::Strategy{op.axis_factor, {}, {}}, kind.notation, plan_.stages[stage].mesh);
    }
  }

  [[nodiscard]] ir::ValueId id_of(const std::string& name) const {
    const auto id = facts_.graph().find_value(name);
    CHECK(id.has_value(), "value ", name, " is not in the graph");
    return *id;
  }
  [[nodiscard]] const spec::Mesh& mesh_of(ir::ValueId id) const {
    return plan_.stages[static_cast<size_t>(stages_[static_cast<size_t>(id)])].mesh;
  }

  const plan::Plan& plan_;
  const GraphFacts& facts_;
  std::vector<std::string> operators_;
  std::vector<std::string> values_;
  std::vector<std::string> reshards_;
  std::vector<int> stages_;
};

// Joins what differs alike in several layers; keeps the order of first appearance.
class DiffList {
 public:
  void add(const char* what,
           const std::string& name,
           int32_t layer,
           const std::pair<std::string, std::string>& texts) {
    if (texts.first == texts.second) return;
    const auto [found, is_new] = index_of_.try_emplace(
        {what, layer < 0 ? name : layer_pattern(name), texts.first, texts.second}, list_.size());
    if (is_new) list_.push_back({what, name, {}, texts.first, texts.second});
    DecisionDiff& diff = list_[found->second];
    if (layer >= 0) diff.layers.insert(layer);
    if (diff.layers.size() > 1) diff.name = layer_pattern(name);
  }
  std::vector<DecisionDiff> take() { return std::move(list_); }

 private:
  std::map<std::tuple<std::string, std::string, std::string, std::string>, size_t> index_of_;
  std::vector<DecisionDiff> list_;
};

int32_t layer_of(const GraphFacts& facts, ir::ValueId value) {
  const ir::NodeId producer = facts.graph().value(value).producer;
  if (producer != ir::kNoId) return facts.graph().node(producer).layer;
  for (const Use& use : facts.uses_of(value)) {
    if (use.node != ir::kNoId) return facts.graph().node(use.node).layer;
  }
  return -1;
}

const char* word_of(ir::ValueKind kind) {
  switch (kind) {
    case ir::ValueKind::kInput:
      return "input";
    case ir::ValueKind::kWeight:
      return "weight";
    case ir::ValueKind::kState:
      return "state";
    case ir::ValueKind::kResult:
      return "result";
  }
  CHECK(false, "unknown kind of value");
  return "";
}

std::vector<DecisionDiff> decisions_of(const plan::Plan& before,
                                       const plan::Plan& after,
                                       const GraphFacts& facts) {
  const PlanTexts a(before, facts);
  const PlanTexts b(after, facts);
  const ir::Graph& graph = facts.graph();
  DiffList list;
  for (ir::NodeId id = 0; id < facts.node_count(); ++id) {
    const ir::Node& node = graph.node(id);
    list.add("operator", node.name, node.layer, {a.of_operator(id), b.of_operator(id)});
  }
  for (ir::ValueId id = 0; id < static_cast<ir::ValueId>(graph.values().size()); ++id) {
    const ir::Value& value = graph.value(id);
    // A result lies as its operator makes it; only edited pieces differ where the operator does
    // not.
    const bool follows = value.producer != ir::kNoId &&
                         a.of_operator(value.producer) != b.of_operator(value.producer);
    if (!follows) {
      list.add(word_of(value.kind), value.name, layer_of(facts, id),
               {a.of_value(id), b.of_value(id)});
    }
  }
  for (ir::ValueId id = 0; id < static_cast<ir::ValueId>(graph.values().size()); ++id) {
    list.add("reshards", graph.value(id).name, layer_of(facts, id),
             {a.of_reshards(id), b.of_reshards(id)});
  }
  return list.take();
}

std::string stages_text(const plan::Plan& plan, const ir::Graph& graph) {
  std::string text;
  for (const plan::Stage& stage : plan.stages) {
    text += str(text.empty() ? "" : "; ", graph.nodes()[static_cast<size_t>(stage.first_node)].name,
                " .. ", graph.nodes()[static_cast<size_t>(stage.end_node - 1)].name, " on ",
                mesh_text(stage.mesh));
  }
  return text;
}

std::vector<DecisionDiff> settings_of(const plan::Plan& before,
                                      const plan::Plan& after,
                                      const ir::Graph& graph) {
  std::vector<DecisionDiff> list;
  const auto add = [&](const char* name, const std::string& a, const std::string& b) {
    if (a != b) list.push_back({"setting", name, {}, a, b});
  };
  const auto add_number = [&](const char* name, int64_t a, int64_t b) {
    add(name, str(a), str(b));
  };
  add("mesh", mesh_text_of(before), mesh_text_of(after));
  add_number("replicas", before.replicas, after.replicas);
  add("stages", stages_text(before, graph), stages_text(after, graph));
  add("profile", before.profile, after.profile);
  add("dtype", before.dtype, after.dtype);
  add("KV cache", before.cache_dtype, after.cache_dtype);
  const plan::Workload& a = before.workload;
  const plan::Workload& b = after.workload;
  add_number("prompt tokens", a.prompt_tokens, b.prompt_tokens);
  add_number("output tokens", a.output_tokens, b.output_tokens);
  add_number("concurrency", a.concurrency, b.concurrency);
  add_number("max context", a.max_context, b.max_context);
  add_number("max step tokens", a.max_step_tokens, b.max_step_tokens);
  add("solver", before.solver, after.solver);
  return list;
}

plan::RankMemory fullest_of(const plan::Plan& plan) {
  plan::RankMemory fullest;
  for (const plan::RankMemory& rank : plan.memory) {
    if (rank.total() > fullest.total()) fullest = rank;
  }
  return fullest;
}

// Kind of collective -> calls and bytes of one decode step.
std::map<std::string, CollectiveCount> collectives_of(const plan::Plan& plan,
                                                      const ir::Graph& graph) {
  std::map<std::string, CollectiveCount> sums;
  for (const auto& [key, count] : collectives_per_layer(plan, graph)) {
    sums[key.second].calls += count.calls;
    sums[key.second].decode_bytes += count.decode_bytes;
  }
  return sums;
}

std::vector<TotalDiff> totals_of(const plan::Plan& before,
                                 const plan::Plan& after,
                                 const ir::Graph& graph) {
  using Unit = TotalDiff::Unit;
  std::vector<TotalDiff> list;
  const plan::CostTerms& a = before.predicted;
  const plan::CostTerms& b = after.predicted;
  list.push_back({"decode step", a.decode_compute_s + a.decode_comm_s,
                  b.decode_compute_s + b.decode_comm_s, Unit::kSeconds});
  list.push_back({"  compute", a.decode_compute_s, b.decode_compute_s, Unit::kSeconds});
  list.push_back({"  communication", a.decode_comm_s, b.decode_comm_s, Unit::kSeconds});
  list.push_back({"prefill chunk", a.prefill_compute_s + a.prefill_comm_s,
                  b.prefill_compute_s + b.prefill_comm_s, Unit::kSeconds});
  list.push_back({"  compute", a.prefill_compute_s, b.prefill_compute_s, Unit::kSeconds});
  list.push_back({"  communication", a.prefill_comm_s, b.prefill_comm_s, Unit::kSeconds});
  const plan::RankMemory x = fullest_of(before);
  const plan::RankMemory y = fullest_of(after);
  const auto add_bytes = [&](const char* name, int64_t from, int64_t to) {
    list.push_back({name, static_cast<double>(from), static_cast<double>(to), Unit::kBytes});
  };
  add_bytes("fullest rank", x.total(), y.total());
  add_bytes("  weights", x.weights, y.weights);
  add_bytes("  KV cache", x.kv_cache, y.kv_cache);
  add_bytes("  activations", x.activations, y.activations);
  add_bytes("  buffers", x.communication, y.communication);
  auto counts = collectives_of(before, graph);
  auto later = collectives_of(after, graph);
  for (const auto& [kind, unused] : later) counts[kind];
  for (const auto& [kind, count] : counts) {
    list.push_back({kind + " per step", static_cast<double>(count.calls),
                    static_cast<double>(later[kind].calls), Unit::kCount});
    add_bytes("  bytes of a decode step", count.decode_bytes, later[kind].decode_bytes);
  }
  return list;
}

}  // namespace

PlanDiff diff_plans(const plan::Plan& before, const plan::Plan& after, const ir::Graph& graph) {
  const GraphFacts facts(graph, {});
  PlanDiff diff;
  diff.is_equal = before == after;
  diff.settings = settings_of(before, after, graph);
  diff.decisions = decisions_of(before, after, facts);
  diff.totals = totals_of(before, after, graph);
  return diff;
}

}  // namespace partita::planner
