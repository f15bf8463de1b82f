// SPDX-License-Identifier: Apache-2.0
// all_reduce, bias, residual and norm become one node that goes over each row once.
#include <optional>
#include <utility>

#include "ir/sole_readers.h"
#include "ops/add_norm/normalised_sum.h"
#include "ops/op.h"
#include "passes/pass.h"
#include "passes/rewrite.h"
#include "support/error.h"

namespace partita::passes {
namespace {

using ir::NodeId;
using ir::ValueId;

// What is fused: norm(residual(bias(all_reduce(x)))), of which bias and all_reduce may be absent.
struct Chain {
  NodeId norm = ir::kNoId;
  NodeId residual_add = ir::kNoId;
  NodeId bias_add = ir::kNoId;
  NodeId all_reduce = ir::kNoId;
  ValueId x = ir::kNoId;
  ValueId bias = ir::kNoId;
  ValueId residual = ir::kNoId;
};

class Finder {
 public:
  explicit Finder(const ir::Graph& graph)
      : graph_(graph), readers_(graph.consumers()), sole_(graph) {}

  // The chain that ends in that node, if all of it can be run there.
  std::optional<Chain> find(NodeId norm) const {
    const ir::Node& node = graph_.node(norm);
    if (node.inputs.empty()) return std::nullopt;
    Chain chain;
    chain.norm = norm;
    chain.residual_add = producer_of(node.inputs[0], "add");
    if (chain.residual_add == ir::kNoId) return std::nullopt;
    const ir::Node& add = graph_.node(chain.residual_add);
    if (!ops::is_normalised_sum(graph_, add, node)) return std::nullopt;
    // Addition commutes: either side may be what was reduced, or has a bias.
    Chain other = chain;
    follow(add.inputs[1], node, chain);
    chain.residual = add.inputs[0];
    follow(add.inputs[0], node, other);
    other.residual = add.inputs[1];
    if (links_of(other) > links_of(chain)) chain = other;
    if (!may_wait(chain) || !name_is_free(add)) return std::nullopt;
    return chain;
  }

 private:
  // An all_reduce is worth more than a bias.
  static int links_of(const Chain& chain) {
    return (chain.all_reduce != ir::kNoId ? 2 : 0) + (chain.bias_add != ir::kNoId ? 1 : 0);
  }

  // From the value that is added to the residual, upwards.
  void follow(ValueId value, const ir::Node& norm, Chain& chain) const {
    chain.x = value;
    const NodeId bias_add = sole_producer_of(value, "add");
    if (bias_add != ir::kNoId) {
      const ir::Node& add = graph_.node(bias_add);
      const bool is_bias = is_plain(add.inputs[0], norm) && is_bias_of(add.inputs[1], norm);
      if (is_bias) {
        chain.bias_add = bias_add;
        chain.bias = add.inputs[1];
        chain.x = add.inputs[0];
      }
    }
    const NodeId reduce = sole_producer_of(chain.x, "all_reduce");
    if (reduce == ir::kNoId || graph_.node(reduce).attributes.text("reduce") != "sum") return;
    chain.all_reduce = reduce;
    chain.x = graph_.node(reduce).inputs[0];
  }

  // f32 of the shape that is normalised.
  bool is_plain(ValueId value, const ir::Node& norm) const {
    const ir::TensorType& type = graph_.value(value).type;
    return type.dtype == DType::kF32 && type == graph_.value(norm.outputs[0]).type;
  }

  bool is_bias_of(ValueId value, const ir::Node& norm) const {
    const ir::TensorType& weight = graph_.value(norm.inputs[1]).type;
    return weight.dtype == DType::kF32 && graph_.value(value).type == weight;
  }

  NodeId producer_of(ValueId value, std::string_view op) const {
    const NodeId node = graph_.value(value).producer;
    return node != ir::kNoId && graph_.node(node).op == op ? node : ir::kNoId;
  }

  // Of a value that nothing else reads.
  NodeId sole_producer_of(ValueId value, std::string_view op) const {
    return sole_.producer_of(value) != ir::kNoId ? producer_of(value, op) : ir::kNoId;
  }

  // Nothing between reads the sum, and no collective that all ranks expect later comes before.
  bool may_wait(const Chain& chain) const {
    const ValueId sum = graph_.node(chain.residual_add).outputs[0];
    if (readers_[static_cast<size_t>(sum)].front() != chain.norm) return false;
    if (chain.all_reduce == ir::kNoId) return true;
    for (NodeId id = chain.all_reduce + 1; id < chain.norm; ++id) {
      if (ops::find_op(graph_.node(id).op).is_collective) return false;
    }
    return true;
  }

  // That of the second output, see ir::Graph::add_node().
  bool name_is_free(const ir::Node& add) const { return !graph_.find_value(add.name + ".1"); }

  const ir::Graph& graph_;
  std::vector<std::vector<NodeId>> readers_;
  ir::SoleReaders sole_;
};

ir::Node fused_node(const ir::Graph& graph, const Chain& chain) {
  const ir::Node& norm = graph.node(chain.norm);
  const ir::Node& add = graph.node(chain.residual_add);
  ir::Node node;
  node.op = str(chain.all_reduce == ir::kNoId ? "add_" : "all_reduce_add_", norm.op);
  node.name = add.name;
  node.layer = add.layer;
  node.inputs = {chain.x};
  if (chain.bias != ir::kNoId) node.inputs.push_back(chain.bias);
  node.inputs.push_back(chain.residual);
  node.inputs.insert(node.inputs.end(), norm.inputs.begin() + 1, norm.inputs.end());
  node.outputs = {add.outputs[0], norm.outputs[0]};
  node.attributes = norm.attributes;
  if (chain.all_reduce != ir::kNoId) {
    node.attributes.set("group", graph.node(chain.all_reduce).attributes.text("group"));
  }
  return node;
}

// All ranks of a group hold the same chains, since their programs differ in shapes and pieces only.
class FuseAddNorm : public Pass {
 public:
  std::string_view name() const override { return "fuse_add_norm"; }
  std::string_view summary() const override {
    return "Makes one node of a residual addition and the norm behind it, with the all_reduce and "
           "the bias before it.";
  }

  ir::Graph run(const ir::Graph& graph) const override {
    const Finder finder(graph);
    Rewrite rewrite(graph);
    for (size_t id = 0; id < graph.nodes().size(); ++id) {
      const std::optional<Chain> chain = finder.find(static_cast<NodeId>(id));
      if (!chain) continue;
      for (const NodeId gone : {chain->residual_add, chain->bias_add, chain->all_reduce}) {
        if (gone != ir::kNoId) rewrite.keep_node[static_cast<size_t>(gone)] = false;
      }
      rewrite.new_nodes.emplace(chain->norm, fused_node(graph, *chain));
    }
    return rewrite.apply();
  }
};

}  // namespace

const Pass& fuse_add_norm() {
  static const FuseAddNorm pass;
  return pass;
}

}  // namespace partita::passes
