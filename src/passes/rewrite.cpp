// SPDX-License-Identifier: Apache-2.0
// Builds the changed graph of a Rewrite.
#include "passes/rewrite.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "support/error.h"

namespace partita::passes {
namespace {

using ir::kNoId;
using ir::ValueId;

class Builder {
 public:
  explicit Builder(const Rewrite& rewrite)
      : rewrite_(rewrite),
        source_(rewrite.source),
        result_(source_.name()),
        new_id_(rewrite.replaced_by.size(), kNoId) {
    for (size_t i = 0; i < rewrite.added.size(); ++i) {
      added_before_[rewrite.added[i].before].push_back(i);
    }
  }

  ir::Graph build() {
    for (size_t id = 0; id < source_.nodes().size(); ++id) {
      const auto changed = rewrite_.new_nodes.find(static_cast<ir::NodeId>(id));
      const ir::Node& node =
          changed == rewrite_.new_nodes.end() ? source_.nodes()[id] : changed->second;
      add_added(static_cast<ir::NodeId>(id));
      add_plain_values(one_past(node));
      if (rewrite_.keep_node[id]) add_node(node);
    }
    add_plain_values(static_cast<ValueId>(source_.values().size()));
    std::vector<ValueId> outputs;
    for (const ValueId value : source_.outputs()) outputs.push_back(mapped(value));
    result_.set_outputs(std::move(outputs));
    return std::move(result_);
  }

 private:
  // One past the last value of the source that the node reads or makes.
  ValueId one_past(const ir::Node& node) const {
    const auto end = static_cast<ValueId>(source_.values().size());
    ValueId last = kNoId;
    for (const std::vector<ValueId>* values : {&node.inputs, &node.outputs}) {
      for (const ValueId value : *values) {
        if (value < end) last = std::max(last, value);
      }
    }
    return last + 1;
  }

  // The new nodes that come before node `before`.
  void add_added(ir::NodeId before) {
    const auto found = added_before_.find(before);
    if (found == added_before_.end()) return;
    for (const size_t index : found->second) {
      ir::Node node = rewrite_.added[index].node;
      add_plain_values(one_past(node));
      for (ValueId& input : node.inputs) input = mapped(input);
      const ir::NodeId id = result_.add_node(std::move(node), {&rewrite_.added[index].type, 1});
      new_id_[source_.values().size() + index] = result_.node(id).outputs[0];
    }
  }

  // Adds the inputs, weights and states with ids below `end` that are not there yet.
  void add_plain_values(ValueId end) {
    for (; next_plain_ < end; ++next_plain_) {
      const ir::Value& value = source_.value(next_plain_);
      const auto index = static_cast<size_t>(next_plain_);
      if (value.kind == ir::ValueKind::kInput)
        new_id_[index] = result_.add_input(value.name, value.type);
      if (!rewrite_.keep_value[index]) continue;
      ir::TensorType type = value.type;
      const auto dtype = rewrite_.stored_dtype.find(next_plain_);
      if (dtype != rewrite_.stored_dtype.end()) type.dtype = dtype->second;
      if (value.kind == ir::ValueKind::kWeight)
        new_id_[index] = result_.add_weight(value.name, std::move(type), value.source);
      if (value.kind == ir::ValueKind::kState)
        new_id_[index] = result_.add_state(value.name, std::move(type));
    }
  }

  void add_node(const ir::Node& node) {
    ir::Node copy = node;
    for (ValueId& input : copy.inputs) input = mapped(input);
    copy.outputs.clear();
    std::vector<ir::TensorType> types;
    for (const ValueId output : node.outputs) {
      const auto changed = rewrite_.result_type.find(output);
      const bool is_changed = changed != rewrite_.result_type.end();
      types.push_back(is_changed ? changed->second : source_.value(output).type);
    }
    const ir::NodeId id = result_.add_node(std::move(copy), types);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      new_id_[static_cast<size_t>(node.outputs[i])] = result_.node(id).outputs[i];
    }
  }

  ValueId mapped(ValueId value) const {
    const ValueId id = new_id_[static_cast<size_t>(rewrite_.resolve(value))];
    CHECK(id != kNoId, "a kept node or output reads the removed value ", name_of(value));
    return id;
  }

  const std::string& name_of(ValueId value) const {
    const size_t values = source_.values().size();
    const auto index = static_cast<size_t>(value);
    return index < values ? source_.value(value).name : rewrite_.added[index - values].node.name;
  }

  const Rewrite& rewrite_;
  const ir::Graph& source_;
  ir::Graph result_;
  std::vector<ValueId> new_id_;  // by value of the source, then by added node
  std::map<ir::NodeId, std::vector<size_t>> added_before_;
  ValueId next_plain_ = 0;
};

}  // namespace

Rewrite::Rewrite(const ir::Graph& graph)
    : source(graph),
      keep_node(graph.nodes().size(), true),
      keep_value(graph.values().size(), true),
      replaced_by(graph.values().size()) {
  std::iota(replaced_by.begin(), replaced_by.end(), ValueId{0});
}

ValueId Rewrite::resolve(ValueId value) const {
  while (replaced_by[static_cast<size_t>(value)] != value)
    value = replaced_by[static_cast<size_t>(value)];
  return value;
}

ValueId Rewrite::add_before(ir::NodeId before, ir::Node node, ir::TensorType type) {
  added.push_back({before, std::move(node), std::move(type)});
  replaced_by.push_back(static_cast<ValueId>(replaced_by.size()));
  return replaced_by.back();
}

ir::Graph Rewrite::apply() const { return Builder(*this).build(); }

}  // namespace partita::passes
