// SPDX-License-Identifier: Apache-2.0
// What products with weights in blocks read is quantised by a node of its own, once for all of
// them.
#include <map>
#include <utility>

#include "ops/quantized_rows.h"
#include "passes/pass.h"
#include "passes/rewrite.h"
#include "support/error.h"

namespace partita::passes {
namespace {

using ir::NodeId;
using ir::ValueId;

bool reads_rows(const ir::Graph& graph, const ir::Node& node) {
  return node.op == "linear" && node.inputs.size() == 2 &&
         is_block_type(graph.value(node.inputs[1]).type.dtype) &&
         ops::can_quantize(graph.value(node.inputs[0]).type);
}

// The node that quantises `rows` for weights of a type, as the reader's layer.
ir::Node quantizing_node(const ir::Graph& graph, const ir::Node& reader, DType weight) {
  ir::Node node;
  node.op = "quantize_rows";
  node.name = str(graph.value(reader.inputs[0]).name, ".", to_string(weight));
  node.layer = reader.layer;
  node.inputs = {reader.inputs[0]};
  node.attributes.set(ops::kQuantizedFor, std::string(to_string(weight)));
  return node;
}

class QuantizeRowsOnce : public Pass {
 public:
  std::string_view name() const override { return "quantize_rows_once"; }
  std::string_view summary() const override {
    return "Quantises what products with weights in blocks read in a node before the first of "
           "them.";
  }

  ir::Graph run(const ir::Graph& graph) const override {
    Rewrite rewrite(graph);
    std::map<std::pair<ValueId, DType>, ValueId> quantized;
    for (size_t id = 0; id < graph.nodes().size(); ++id) {
      const ir::Node& node = graph.nodes()[id];
      if (!reads_rows(graph, node)) continue;
      const DType weight = graph.value(node.inputs[1]).type.dtype;
      const auto [rows, is_new] = quantized.try_emplace({node.inputs[0], weight}, ir::kNoId);
      if (is_new) {
        ir::Node made = quantizing_node(graph, node, weight);
        if (graph.find_value(made.name)) continue;
        const ir::TensorType& type = graph.value(node.inputs[0]).type;
        rows->second = rewrite.add_before(static_cast<NodeId>(id), std::move(made),
                                          ops::quantized_rows_type(type));
      }
      if (rows->second == ir::kNoId) continue;
      ir::Node reader = node;
      reader.inputs[0] = rows->second;
      rewrite.new_nodes.emplace(static_cast<NodeId>(id), std::move(reader));
    }
    return rewrite.apply();
  }
};

}  // namespace

const Pass& quantize_rows_once() {
  static const QuantizeRowsOnce pass;
  return pass;
}

}  // namespace partita::passes
