// SPDX-License-Identifier: Apache-2.0
// The graph of a model or of one rank: typed values, nodes in execution order, text form.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/types.h"
#include "ir/weight_source.h"

namespace partita::ir {

using ValueId = int32_t;
using NodeId = int32_t;
inline constexpr int32_t kNoId = -1;

enum class ValueKind : uint8_t {
  kInput,   // given at each step (token ids, positions, ...)
  kWeight,  // read from the checkpoint once
  kState,   // lives over steps and is changed in place by the op that takes it (KV cache)
  kResult,  // produced by a node
};

struct Value {
  std::string name;  // unique in the graph; stable over runs
  TensorType type;
  ValueKind kind = ValueKind::kResult;
  NodeId producer = kNoId;  // kResult only
  WeightSource source;      // kWeight only
};

// One operator call. `name` is unique, e.g. "layers.3.attn.q_proj"; `layer` groups nodes for
// display and stages (-1 = none).
struct Node {
  std::string op;
  std::string name;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  Attributes attributes;
  int32_t layer = -1;
};

// Single-assignment; nodes are kept in execution order. Thread-compatible. Built once, then changed
// only by passes (which build a new graph).
class Graph {
 public:
  explicit Graph(std::string name = "graph") : name_(std::move(name)) {}

  ValueId add_input(std::string name, TensorType type);
  ValueId add_weight(std::string name, TensorType type, WeightSource source);
  ValueId add_state(std::string name, TensorType type);
  // Appends a node whose outputs have the given types; the first output is named like the node,
  // later ones name.1, ....
  NodeId add_node(Node node, std::span<const TensorType> output_types);
  void set_outputs(std::vector<ValueId> outputs) { outputs_ = std::move(outputs); }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::vector<Value>& values() const { return values_; }
  [[nodiscard]] const std::vector<Node>& nodes() const { return nodes_; }
  [[nodiscard]] const std::vector<ValueId>& outputs() const { return outputs_; }
  [[nodiscard]] const Value& value(ValueId id) const { return values_.at(static_cast<size_t>(id)); }
  [[nodiscard]] const Node& node(NodeId id) const { return nodes_.at(static_cast<size_t>(id)); }
  [[nodiscard]] std::optional<ValueId> find_value(std::string_view name) const;
  // For each value the nodes that read it, in order (a node appears once per use).
  [[nodiscard]] std::vector<std::vector<NodeId>> consumers() const;

 private:
  ValueId add_value(Value value);

  std::string name_;
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<ValueId> outputs_;
  std::map<std::string, ValueId, std::less<>> value_by_name_;
};

// Text form, one line per value or node; print_graph(parse_graph(text)) == text. Grammar:
// docs/formats/graph.md.
[[nodiscard]] std::string print_graph(const Graph& graph);
// Throws kInvalidFile naming line and rule.
[[nodiscard]] Graph parse_graph(std::string_view text);

// Structure only (ids in range, order, names unique, each result produced once). Throws
// kInvalidArgument naming the node.
void verify(const Graph& graph);

// 64-bit FNV-1a of print_graph(), as 16 hex digits. The identity of a graph in plans.
[[nodiscard]] std::string hash_of(const Graph& graph);

}  // namespace partita::ir
