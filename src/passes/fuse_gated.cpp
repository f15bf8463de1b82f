// SPDX-License-Identifier: Apache-2.0
// An activation and the product behind it become one node that reads each operand once.
#include "ops/gated/gated_product.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

namespace partita::passes {
namespace {

using ir::NodeId;

ir::Node gated_node(const ir::Node& activation, const ir::Node& product) {
  const bool is_first = product.inputs[0] == activation.outputs[0];
  ir::Node node;
  node.op = "gated";
  node.name = product.name;
  node.layer = product.layer;
  node.inputs = {activation.inputs[0], product.inputs[is_first ? 1 : 0]};
  node.outputs = product.outputs;
  node.attributes.set("activation", activation.op);
  return node;
}

class FuseGated : public Pass {
 public:
  std::string_view name() const override { return "fuse_gated"; }
  std::string_view summary() const override {
    return "Makes one node of an activation and the product with a value of the same shape.";
  }

  ir::Graph run(const ir::Graph& graph) const override {
    const ops::GatedProducts products(graph);
    Rewrite rewrite(graph);
    for (size_t id = 0; id < graph.nodes().size(); ++id) {
      const ir::Node& product = graph.nodes()[id];
      const NodeId activation = products.activation_of(product);
      if (activation == ir::kNoId) continue;
      rewrite.keep_node[static_cast<size_t>(activation)] = false;
      rewrite.new_nodes.emplace(static_cast<NodeId>(id),
                                gated_node(graph.node(activation), product));
    }
    return rewrite.apply();
  }
};

}  // namespace

const Pass& fuse_gated() {
  static const FuseGated pass;
  return pass;
}

}  // namespace partita::passes
