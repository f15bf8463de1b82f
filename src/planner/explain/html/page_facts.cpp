// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/html/page_facts.h"

#include <algorithm>
#include <map>

#include "planner/explain/names.h"
#include "planner/graph_facts.h"
#include "spec/strategy.h"
#include "support/error.h"

namespace partita::planner {
namespace {

// "mlp.up" of "layers.3.mlp.up"; names without a layer stay.
std::string without_layer(const std::string& name) {
  const std::string pattern = layer_pattern(name);
  const size_t star = pattern.find("*.");
  return star == std::string::npos ? name : pattern.substr(star + 2);
}

class FactsWriter {
 public:
  FactsWriter(const plan::Plan& plan, const ir::Graph& graph)
      : plan_(plan), graph_(graph), facts_(graph, {}), decided_(graph.nodes().size(), nullptr) {
    std::map<std::string_view, ir::NodeId> nodes;
    for (ir::NodeId node = 0; node < facts_.node_count(); ++node) {
      nodes[graph.node(node).name] = node;
    }
    for (const plan::OpDecision& op : plan.ops) {
      decided_[static_cast<size_t>(nodes.at(op.node))] = &op;
    }
    for (const auto& [name, spec] : plan.values) specs_[*graph.find_value(name)] = &spec;
    for (const plan::ReshardDecision& reshard : plan.reshards) {
      const ir::ValueId value = *graph.find_value(reshard.value);
      reshards_[home_of(value, reshard.stage)].emplace_back(value, &reshard);
    }
  }

  PageFacts write() {
    for (const plan::Stage& stage : plan_.stages) {
      for (const spec::MeshAxis& axis : stage.mesh.axes()) (void)axis_index(axis.name);
    }
    add_groups();
    result_.decode = timeline(true);
    result_.prefill = timeline(false);
    add_ranks();
    return std::move(result_);
  }

 private:
  // The operator below which a reshard of a value is shown: its producer, else the first reader in
  // the stage where it happens.
  [[nodiscard]] ir::NodeId home_of(ir::ValueId value, int stage) const {
    const bool is_own = stage == plan::ReshardDecision::kOwnStage;
    const ir::NodeId producer = graph_.value(value).producer;
    if (producer != ir::kNoId && (is_own || plan_.stage_of_node(producer) == stage)) {
      return producer;
    }
    for (const Use& use : facts_.uses_of(value)) {
      if (use.node == ir::kNoId) continue;
      if (is_own || plan_.stage_of_node(use.node) == stage) return use.node;
    }
    return is_own ? 0
                  : static_cast<ir::NodeId>(plan_.stages[static_cast<size_t>(stage)].first_node);
  }

  [[nodiscard]] const spec::Mesh& mesh_of(ir::NodeId node) const {
    return plan_.stages[static_cast<size_t>(plan_.stage_of_node(node))].mesh;
  }

  int axis_index(const std::string& name) {
    const auto found = std::find(result_.axes.begin(), result_.axes.end(), name);
    if (found != result_.axes.end()) return static_cast<int>(found - result_.axes.begin());
    result_.axes.push_back(name);
    return static_cast<int>(result_.axes.size()) - 1;
  }

  SpecParts spec_parts(ir::ValueId value, const spec::TensorSpec& spec, const spec::Mesh& mesh) {
    const std::vector<std::string> names = dim_names_of(facts_, value);
    SpecParts parts;
    for (size_t dim = 0; dim < spec.dims.size(); ++dim) {
      const std::string name = dim < names.size() && !names[dim].empty() ? names[dim] : "_";
      if (spec.dims[dim].axes.empty()) parts.push_back({name, -1});
      bool is_first = true;
      for (const int index : spec.dims[dim].axes) {
        const std::string& axis = mesh.axes()[static_cast<size_t>(index)].name;
        parts.push_back({(is_first ? name + ":" : "*") + axis, axis_index(axis)});
        is_first = false;
      }
    }
    for (const spec::PartialAxis& partial : spec.partials) {
      const std::string& name = mesh.axes()[static_cast<size_t>(partial.axis)].name;
      parts.push_back({str("+", to_string(partial.kind), "(", name, ")"), axis_index(name)});
    }
    return parts;
  }

  SpecParts parts_of_value(ir::ValueId value, ir::NodeId node) {
    const spec::Mesh& mesh = mesh_of(node);
    for (const plan::WeightCopy& copy : plan_.copies) {
      if (copy.stage == plan_.stage_of_node(node) && copy.value == graph_.value(value).name) {
        return spec_parts(value, copy.spec, mesh);
      }
    }
    const auto found = specs_.find(value);
    const auto rank = static_cast<int>(graph_.value(value).type.dims.size());
    return spec_parts(
        value, found == specs_.end() ? spec::TensorSpec::replicated(rank) : *found->second, mesh);
  }

  SpecParts strategy_parts(ir::NodeId node) {
    const plan::OpDecision* decision = decided_[static_cast<size_t>(node)];
    const spec::Notation& notation =
        facts_.kinds()[static_cast<size_t>(facts_.kind_of(node))].notation;
    SpecParts parts;
    for (size_t axis = 0; decision != nullptr && axis < decision->axis_factor.size(); ++axis) {
      const int factor = decision->axis_factor[axis];
      if (factor == spec::Strategy::kNone) continue;
      const std::string& name = mesh_of(node).axes()[axis].name;
      const std::string what =
          factor < 0 ? "partial" : notation.factors[static_cast<size_t>(factor)].name;
      parts.push_back({what + ":" + name, axis_index(name)});
    }
    if (parts.empty()) parts.push_back({"replicated", -1});
    return parts;
  }

  OpRow row_of(ir::NodeId id) {
    const ir::Node& node = graph_.node(id);
    const plan::OpDecision* decision = decided_[static_cast<size_t>(id)];
    OpRow row;
    row.name = without_layer(node.name);
    row.op = node.op;
    row.strategy = strategy_parts(id);
    row.result = parts_of_value(node.outputs.front(), id);
    if (decision != nullptr) {
      row.source = decision->source;
      row.decode_s = decision->cost.decode_compute_s;
      row.prefill_s = decision->cost.prefill_compute_s;
    }
    for (const ir::ValueId input : node.inputs) {
      const ir::Value& value = graph_.value(input);
      if (value.kind != ir::ValueKind::kWeight && value.kind != ir::ValueKind::kState) continue;
      const auto source = plan_.value_sources.find(value.name);
      row.stored.push_back({without_layer(value.name), parts_of_value(input, id),
                            source == plan_.value_sources.end() ? "" : source->second});
    }
    for (const auto& [value, reshard] : reshards_[id]) {
      row.collectives.push_back(collective_row(id, value, *reshard));
    }
    return row;
  }

  CollectiveRow collective_row(ir::NodeId home,
                               ir::ValueId value,
                               const plan::ReshardDecision& reshard) {
    CollectiveRow row;
    row.value = without_layer(reshard.value);
    row.path = path_text(reshard.steps, mesh_of(home));
    row.to = spec_parts(value, reshard.to, mesh_of(home));
    for (const std::string& reader : reshard.consumers) {
      row.readers += (row.readers.empty() ? "" : ", ") +
                     (reader.empty() ? std::string("the caller") : without_layer(reader));
    }
    row.decode_bytes = reshard.decode_bytes;
    row.decode_s = reshard.cost.decode_comm_s;
    row.prefill_s = reshard.cost.prefill_comm_s;
    return row;
  }

  // Runs of nodes of one layer; runs that look alike share a group when they belong to layers.
  void add_groups() {
    for (ir::NodeId first = 0; first < facts_.node_count();) {
      const int32_t layer = graph_.node(first).layer;
      std::vector<OpRow> rows;
      while (first < facts_.node_count() && graph_.node(first).layer == layer) {
        rows.push_back(row_of(first++));
      }
      const auto alike =
          std::find_if(result_.groups.begin(), result_.groups.end(), [&](const LayerGroup& group) {
            return layer >= 0 && !group.layers.empty() && group.rows == rows;
          });
      if (alike != result_.groups.end()) {
        alike->layers.insert(layer);
      } else if (layer >= 0) {
        result_.groups.push_back({{layer}, std::move(rows)});
      } else {
        result_.groups.push_back({{}, std::move(rows)});
      }
    }
  }

  static void append(Timeline& timeline, Segment segment) {
    if (segment.seconds <= 0) return;
    segment.start_s = timeline.total_s;
    timeline.total_s += segment.seconds;
    if (!timeline.segments.empty()) {
      Segment& last = timeline.segments.back();
      if (last.stage == segment.stage && last.is_comm == segment.is_comm) {
        last.seconds += segment.seconds;
        return;
      }
    }
    timeline.segments.push_back(std::move(segment));
  }

  // Operators and reshards one after the other, as they are priced; what the plan predicts beyond
  // them is handing over between stages.
  [[nodiscard]] Timeline timeline(bool is_decode) {
    Timeline timeline;
    const plan::CostTerms& predicted = plan_.predicted;
    double handing_over = is_decode ? predicted.decode_comm_s : predicted.prefill_comm_s;
    for (const plan::ReshardDecision& reshard : plan_.reshards) {
      handing_over -= is_decode ? reshard.cost.decode_comm_s : reshard.cost.prefill_comm_s;
    }
    const auto borders = static_cast<double>(plan_.stages.size()) - 1;
    int stage = 0;
    for (ir::NodeId node = 0; node < facts_.node_count(); ++node) {
      const int own = plan_.stage_of_node(node);
      const std::string& name = graph_.node(node).name;
      if (own != stage && handing_over > 0) {
        append(timeline, {0, handing_over / borders, true, stage, "to the next stage"});
      }
      stage = own;
      if (const plan::OpDecision* op = decided_[static_cast<size_t>(node)]) {
        append(timeline, {0, is_decode ? op->cost.decode_compute_s : op->cost.prefill_compute_s,
                          false, stage, name});
      }
      for (const auto& [value, reshard] : reshards_[node]) {
        append(timeline,
               {0, is_decode ? reshard->cost.decode_comm_s : reshard->cost.prefill_comm_s, true,
                stage, path_text(reshard->steps, mesh_of(node)) + " of " + reshard->value});
      }
    }
    return timeline;
  }

  void add_ranks() {
    for (size_t rank = 0; rank < plan_.memory.size(); ++rank) {
      const int stage = plan_.stage_of_rank(static_cast<int>(rank));
      const auto alike =
          std::find_if(result_.ranks.begin(), result_.ranks.end(), [&](const RankGroup& group) {
            return group.stage == stage && group.memory == plan_.memory[rank];
          });
      if (alike != result_.ranks.end()) {
        alike->ranks.insert(static_cast<int32_t>(rank));
      } else {
        result_.ranks.push_back({{static_cast<int32_t>(rank)}, stage, plan_.memory[rank]});
      }
    }
  }

  using Reshards = std::vector<std::pair<ir::ValueId, const plan::ReshardDecision*>>;
  const plan::Plan& plan_;
  const ir::Graph& graph_;
  GraphFacts facts_;
  std::vector<const plan::OpDecision*> decided_;  // per node; nullptr = replicated, unpriced
  std::map<ir::ValueId, const spec::TensorSpec*> specs_;
  std::map<ir::NodeId, Reshards> reshards_;
  PageFacts result_;
};

}  // namespace

PageFacts page_facts(const plan::Plan& plan, const ir::Graph& graph) {
  return FactsWriter(plan, graph).write();
}

}  // namespace partita::planner
