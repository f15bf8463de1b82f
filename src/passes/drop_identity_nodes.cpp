// SPDX-License-Identifier: Apache-2.0
// Drops layout nodes that change nothing: their readers read the input instead.
#include <algorithm>

#include "passes/pass.h"
#include "passes/rewrite.h"

namespace partita::passes {
namespace {

bool is_identity_permutation(const std::vector<int64_t>& permutation) {
  for (size_t i = 0; i < permutation.size(); ++i) {
    if (permutation[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

// A reshape, slice or concat of one part whose type stays the same moves no element; a transpose
// must keep the order too.
bool is_identity(const ir::Graph& graph, const ir::Node& node) {
  if (node.inputs.size() != 1 || node.outputs.size() != 1) return false;
  const ir::Value& input = graph.value(node.inputs[0]);
  if (input.kind == ir::ValueKind::kState || input.type != graph.value(node.outputs[0]).type)
    return false;
  if (node.op == "transpose")
    return is_identity_permutation(node.attributes.integers("permutation"));
  return node.op == "reshape" || node.op == "slice" || node.op == "concat";
}

class DropIdentityNodes : public Pass {
 public:
  std::string_view name() const override { return "drop_identity_nodes"; }
  std::string_view summary() const override {
    return "Drops reshape, transpose, slice and concat nodes whose output is their input.";
  }

  ir::Graph run(const ir::Graph& graph) const override {
    const auto& outputs = graph.outputs();
    Rewrite rewrite(graph);
    for (size_t id = 0; id < graph.nodes().size(); ++id) {
      const ir::Node& node = graph.nodes()[id];
      if (!is_identity(graph, node)) continue;
      // A graph output keeps its name.
      if (std::find(outputs.begin(), outputs.end(), node.outputs[0]) != outputs.end()) continue;
      rewrite.keep_node[id] = false;
      rewrite.replaced_by[static_cast<size_t>(node.outputs[0])] = node.inputs[0];
    }
    return rewrite.apply();
  }
};

}  // namespace

const Pass& drop_identity_nodes() {
  static const DropIdentityNodes pass;
  return pass;
}

}  // namespace partita::passes
