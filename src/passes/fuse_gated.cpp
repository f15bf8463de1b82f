// SPDX-License-Identifier: Apache-2.0
// An activation and the product behind it become one node that reads each operand once.
#include <algorithm>

#include "ops/activations.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

namespace partita::passes {
namespace {

using ir::NodeId;
using ir::ValueId;

class Finder {
 public:
  explicit Finder(const ir::Graph& graph) : graph_(graph), readers_(graph.consumers()) {}

  // The activation of a factor that nothing else reads; kNoId where there is none.
  NodeId activation_of(const ir::Node& product) const {
    if (product.op != "mul") return ir::kNoId;
    const ir::TensorType& type = graph_.value(product.outputs[0]).type;
    for (const ValueId input : product.inputs) {
      if (type.dtype != DType::kF32 || graph_.value(input).type != type) return ir::kNoId;
    }
    for (const ValueId input : product.inputs) {
      const NodeId id = graph_.value(input).producer;
      if (id == ir::kNoId || !is_activation(graph_.node(id).op)) continue;
      const bool is_output = std::ranges::find(graph_.outputs(), input) != graph_.outputs().end();
      if (!is_output && readers_[static_cast<size_t>(input)].size() == 1) return id;
    }
    return ir::kNoId;
  }

 private:
  static bool is_activation(const std::string& op) {
    return std::ranges::find(ops::kActivationNames, op) != ops::kActivationNames.end();
  }

  const ir::Graph& graph_;
  std::vector<std::vector<NodeId>> readers_;
};

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
    const Finder finder(graph);
    Rewrite rewrite(graph);
    for (size_t id = 0; id < graph.nodes().size(); ++id) {
      const ir::Node& product = graph.nodes()[id];
      const NodeId activation = finder.activation_of(product);
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
