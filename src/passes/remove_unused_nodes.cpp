// SPDX-License-Identifier: Apache-2.0
// Removes nodes, weights and states that no graph output and no side effect needs.
#include "ops/op.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

namespace partita::passes {
namespace {

class RemoveUnusedNodes : public Pass {
 public:
  std::string_view name() const override { return "remove_unused_nodes"; }
  std::string_view summary() const override {
    return "Removes nodes, weights and states that neither an output nor a side effect needs.";
  }

  ir::Graph run(const ir::Graph& graph) const override {
    std::vector<bool> used(graph.values().size(), false);
    for (const ir::ValueId output : graph.outputs()) used[static_cast<size_t>(output)] = true;
    Rewrite rewrite(graph);
    for (size_t id = graph.nodes().size(); id-- > 0;) {
      const ir::Node& node = graph.nodes()[id];
      bool keep = ops::find_op(node.op).has_side_effect;
      for (const ir::ValueId output : node.outputs)
        keep = keep || used[static_cast<size_t>(output)];
      rewrite.keep_node[id] = keep;
      if (!keep) continue;
      for (const ir::ValueId input : node.inputs) used[static_cast<size_t>(input)] = true;
    }
    rewrite.keep_value = used;
    return rewrite.apply();
  }
};

}  // namespace

const Pass& remove_unused_nodes() {
  static const RemoveUnusedNodes pass;
  return pass;
}

}  // namespace partita::passes
