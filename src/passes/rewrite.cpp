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
        new_id_(source_.values().size(), kNoId) {}

  ir::Graph build() {
    for (size_t id = 0; id < source_.nodes().size(); ++id) {
      const auto changed = rewrite_.new_nodes.find(static_cast<ir::NodeId>(id));
      const ir::Node& node =
          changed == rewrite_.new_nodes.end() ? source_.nodes()[id] : changed->second;
      ValueId last = kNoId;
      for (const ValueId value : node.inputs) last = std::max(last, value);
      for (const ValueId value : node.outputs) last = std::max(last, value);
      add_plain_values(last + 1);
      if (rewrite_.keep_node[id]) add_node(node);
    }
    add_plain_values(static_cast<ValueId>(source_.values().size()));
    std::vector<ValueId> outputs;
    for (const ValueId value : source_.outputs()) outputs.push_back(mapped(value));
    result_.set_outputs(std::move(outputs));
    return std::move(result_);
  }

 private:
  // Adds the inputs, weights and states with ids below `end` that are not there yet.
  void add_plain_values(ValueId end) {
    for (; next_plain_ < end; ++next_plain_) {
      const ir::Value& value = source_.value(next_plain_);
      const auto index = static_cast<size_t>(next_plain_);
      if (value.kind == ir::ValueKind::kInput)
        new_id_[index] = result_.add_input(value.name, value.type);
      if (!rewrite_.keep_value[index]) continue;
      if (value.kind == ir::ValueKind::kWeight) {
        ir::TensorType type = value.type;
        const auto dtype = rewrite_.weight_dtype.find(next_plain_);
        if (dtype != rewrite_.weight_dtype.end()) type.dtype = dtype->second;
        new_id_[index] = result_.add_weight(value.name, std::move(type), value.source);
      }
      if (value.kind == ir::ValueKind::kState)
        new_id_[index] = result_.add_state(value.name, value.type);
    }
  }

  void add_node(const ir::Node& node) {
    ir::Node copy = node;
    for (ValueId& input : copy.inputs) input = mapped(input);
    copy.outputs.clear();
    std::vector<ir::TensorType> types;
    for (const ValueId output : node.outputs) types.push_back(source_.value(output).type);
    const ir::NodeId id = result_.add_node(std::move(copy), types);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      new_id_[static_cast<size_t>(node.outputs[i])] = result_.node(id).outputs[i];
    }
  }

  ValueId mapped(ValueId value) const {
    const ValueId id = new_id_[static_cast<size_t>(rewrite_.resolve(value))];
    CHECK(id != kNoId, "a kept node or output reads the removed value ", source_.value(value).name);
    return id;
  }

  const Rewrite& rewrite_;
  const ir::Graph& source_;
  ir::Graph result_;
  std::vector<ValueId> new_id_;
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

ir::Graph Rewrite::apply() const { return Builder(*this).build(); }

}  // namespace partita::passes
