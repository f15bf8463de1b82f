// SPDX-License-Identifier: Apache-2.0
// The graph container.
#include "ir/graph.h"

#include "ir/scanner.h"
#include "support/error.h"

namespace partita::ir {

ValueId Graph::add_value(Value value) {
  if (!is_value_name(value.name)) {
    throw Error(ErrorCode::kInvalidArgument, str("[graph] value name ", quote(value.name),
                                                 "; expected letters, digits and _.-/@"));
  }
  const auto id = static_cast<ValueId>(values_.size());
  if (!value_by_name_.emplace(value.name, id).second) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[graph] a second value named %", value.name, "; names must be unique"));
  }
  values_.push_back(std::move(value));
  return id;
}

ValueId Graph::add_input(std::string name, TensorType type) {
  return add_value({.name = std::move(name),
                    .type = std::move(type),
                    .kind = ValueKind::kInput,
                    .producer = kNoId,
                    .source = {}});
}

ValueId Graph::add_weight(std::string name, TensorType type, WeightSource source) {
  return add_value({.name = std::move(name),
                    .type = std::move(type),
                    .kind = ValueKind::kWeight,
                    .producer = kNoId,
                    .source = std::move(source)});
}

ValueId Graph::add_state(std::string name, TensorType type) {
  return add_value({.name = std::move(name),
                    .type = std::move(type),
                    .kind = ValueKind::kState,
                    .producer = kNoId,
                    .source = {}});
}

NodeId Graph::add_node(Node node, std::span<const TensorType> output_types) {
  const auto id = static_cast<NodeId>(nodes_.size());
  node.outputs.clear();
  for (size_t i = 0; i < output_types.size(); ++i) {
    node.outputs.push_back(add_value({.name = i == 0 ? node.name : str(node.name, ".", i),
                                      .type = output_types[i],
                                      .kind = ValueKind::kResult,
                                      .producer = id,
                                      .source = {}}));
  }
  nodes_.push_back(std::move(node));
  return id;
}

std::optional<ValueId> Graph::find_value(std::string_view name) const {
  const auto found = value_by_name_.find(name);
  if (found == value_by_name_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::vector<NodeId>> Graph::consumers() const {
  std::vector<std::vector<NodeId>> readers(values_.size());
  for (size_t id = 0; id < nodes_.size(); ++id) {
    for (const ValueId input : nodes_[id].inputs) {
      readers.at(static_cast<size_t>(input)).push_back(static_cast<NodeId>(id));
    }
  }
  return readers;
}

}  // namespace partita::ir
