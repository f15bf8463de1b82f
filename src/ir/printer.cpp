// SPDX-License-Identifier: Apache-2.0
// Writes a graph as text and hashes that text.
#include <array>
#include <cstdio>

#include "ir/graph.h"
#include "ir/scanner.h"
#include "ir/type_text.h"
#include "support/error.h"

namespace partita::ir {
namespace {

std::string names(const Graph& graph, const std::vector<ValueId>& ids) {
  std::string text;
  for (const ValueId id : ids) text += str(text.empty() ? "" : ", ", "%", graph.value(id).name);
  return text;
}

std::string types(const Graph& graph, const std::vector<ValueId>& ids) {
  std::string text;
  for (const ValueId id : ids) text += (text.empty() ? "" : ", ") + to_string(graph.value(id).type);
  return text;
}

std::string attribute_list(const Node& node) {
  std::string text;
  if (node.layer != -1) text = str("layer = ", node.layer);
  for (const auto& [name, value] : node.attributes.values()) {
    text += str(text.empty() ? "" : ", ", name, " = ", to_string(value));
  }
  return text.empty() ? "" : " {" + text + "}";
}

std::string node_line(const Graph& graph, const Node& node) {
  const std::string results =
      node.outputs.empty() ? str("%", node.name, " : ()")
                           : str(names(graph, node.outputs), " : ", types(graph, node.outputs));
  return str("  ", results, " = ", node.op, "(", names(graph, node.inputs), ")",
             attribute_list(node), "\n");
}

std::string value_line(const Value& value) {
  const std::string typed = str("%", value.name, " : ", to_string(value.type));
  switch (value.kind) {
    case ValueKind::kInput:
      return str("  input ", typed, "\n");
    case ValueKind::kWeight:
      return str("  weight ", typed, " = ", to_string(value.source), "\n");
    case ValueKind::kState:
      return str("  state ", typed, "\n");
    case ValueKind::kResult:
      break;
  }
  return {};
}

}  // namespace

std::string print_graph(const Graph& graph) {
  std::string text = str("graph ", quote(graph.name()), " {\n");
  size_t next_node = 0;
  for (const Value& value : graph.values()) {
    text += value_line(value);
    // A node is written at its first output; nodes without outputs before the node that follows
    // them.
    while (value.kind == ValueKind::kResult && static_cast<NodeId>(next_node) <= value.producer) {
      text += node_line(graph, graph.nodes()[next_node++]);
    }
  }
  while (next_node < graph.nodes().size()) text += node_line(graph, graph.nodes()[next_node++]);
  const std::string outputs = names(graph, graph.outputs());
  return text + (outputs.empty() ? "  return\n}\n" : str("  return ", outputs, "\n}\n"));
}

std::string hash_of(const Graph& graph) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : print_graph(graph)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(hash));
  return digits.data();
}

}  // namespace partita::ir
