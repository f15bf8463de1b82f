// SPDX-License-Identifier: Apache-2.0
// A norm or gated activation of which only products with weights in blocks read quantises its rows
// itself, while they are in the cache.
#include <algorithm>

#include "ir/sole_readers.h"
#include "ops/quantized_rows.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

namespace partita::passes {
namespace {

using ir::NodeId;
using ir::ValueId;

class Finder {
 public:
  explicit Finder(const ir::Graph& graph) : graph_(graph), sole_(graph) {}

  // The node whose last output nothing but `node`, a quantize_rows, reads; kNoId where there is
  // none, or none that can quantise.
  NodeId producer_of(const ir::Node& node) const {
    if (node.op != "quantize_rows") return ir::kNoId;
    const ValueId rows = node.inputs[0];
    const NodeId producer = sole_.producer_of(rows);
    if (producer == ir::kNoId) return ir::kNoId;
    const ir::Node& made_by = graph_.node(producer);
    const bool can_quantize =
        std::ranges::find(ops::kQuantizingOps, made_by.op) != ops::kQuantizingOps.end();
    return can_quantize && made_by.outputs.back() == rows ? producer : ir::kNoId;
  }

 private:
  const ir::Graph& graph_;
  ir::SoleReaders sole_;
};

class FuseQuantizeRows : public Pass {
 public:
  std::string_view name() const override { return "fuse_quantize_rows"; }
  std::string_view summary() const override {
    return "Makes one node of a norm or a gated activation and the quantising of its rows.";
  }

  ir::Graph run(const ir::Graph& graph) const override {
    const Finder finder(graph);
    Rewrite rewrite(graph);
    for (size_t id = 0; id < graph.nodes().size(); ++id) {
      const ir::Node& node = graph.nodes()[id];
      const NodeId producer = finder.producer_of(node);
      if (producer == ir::kNoId) continue;
      ir::Node fused = graph.node(producer);
      fused.attributes.set(ops::kQuantizedFor, node.attributes.text(ops::kQuantizedFor));
      rewrite.new_nodes.emplace(producer, std::move(fused));
      rewrite.keep_node[id] = false;
      rewrite.result_type.emplace(node.inputs[0], graph.value(node.outputs[0]).type);
      rewrite.replaced_by[static_cast<size_t>(node.outputs[0])] = node.inputs[0];
    }
    return rewrite.apply();
  }
};

}  // namespace

const Pass& fuse_quantize_rows() {
  static const FuseQuantizeRows pass;
  return pass;
}

}  // namespace partita::passes
