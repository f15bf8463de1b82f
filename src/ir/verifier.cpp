// SPDX-License-Identifier: Apache-2.0
// Structural rules of a graph.
#include <set>

#include "ir/graph.h"
#include "ir/scanner.h"
#include "support/error.h"

namespace partita::ir {
namespace {

[[noreturn]] void broken(const Node& node, std::string_view rule) {
  throw Error(ErrorCode::kInvalidArgument,
              str("[graph] node %", node.name, " (", node.op, "): ", rule));
}

bool in_range(const Graph& graph, ValueId id) {
  return id >= 0 && static_cast<size_t>(id) < graph.values().size();
}

void verify_node(const Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (!is_identifier(node.op)) broken(node, "an operator name must be letters, digits and _");
  if (!is_value_name(node.name)) broken(node, "a node name must be letters, digits and _.-/@");
  for (const ValueId input : node.inputs) {
    if (!in_range(graph, input)) broken(node, str("input ", input, " is no value of the graph"));
    if (graph.value(input).kind == ValueKind::kResult && graph.value(input).producer >= id) {
      broken(node, str("reads %", graph.value(input).name, " before it is produced"));
    }
  }
  for (const ValueId output : node.outputs) {
    if (!in_range(graph, output)) broken(node, str("output ", output, " is no value of the graph"));
    if (graph.value(output).producer != id) {
      broken(node, str("%", graph.value(output).name, " is produced by another node"));
    }
  }
  for (const auto& [name, value] : node.attributes.values()) {
    if (!is_identifier(name) || name == "layer") {
      broken(node,
             str("attribute ", quote(name), "; expected letters, digits and _, not \"layer\""));
    }
  }
}

void verify_value(const Value& value) {
  if (value.kind == ValueKind::kWeight && !value.type.is_static()) {
    throw Error(ErrorCode::kInvalidArgument, str("[graph] weight %", value.name, " has type ",
                                                 to_string(value.type), "; expected known sizes"));
  }
  if (value.kind != ValueKind::kWeight && is_block_type(value.type.dtype)) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[graph] %", value.name, " has type ", to_string(value.type),
                    "; only weights can ", "be stored in blocks"));
  }
  check_blocks(value.type);
}

}  // namespace

void verify(const Graph& graph) {
  std::set<std::string_view> names;
  for (const Value& value : graph.values()) {
    verify_value(value);
    names.insert(value.name);
  }
  for (size_t id = 0; id < graph.nodes().size(); ++id) {
    const Node& node = graph.nodes()[id];
    verify_node(graph, static_cast<NodeId>(id));
    if (node.outputs.empty() && !names.insert(node.name).second) {
      broken(node, "another value or node has this name");
    }
  }
  for (const ValueId output : graph.outputs()) {
    if (!in_range(graph, output)) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[graph] output ", output, " of graph ", graph.name(), " is no value of it"));
    }
  }
}

}  // namespace partita::ir
