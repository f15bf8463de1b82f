// SPDX-License-Identifier: Apache-2.0
#include "ops/gated/gated_product.h"

#include <algorithm>

#include "ops/activations.h"

namespace partita::ops {

GatedProducts::GatedProducts(const ir::Graph& graph) : graph_(graph), readers_(graph.consumers()) {}

ir::NodeId GatedProducts::activation_of(const ir::Node& product) const {
  if (product.op != "mul") return ir::kNoId;
  const ir::TensorType& type = graph_.value(product.outputs[0]).type;
  for (const ir::ValueId input : product.inputs) {
    if (type.dtype != DType::kF32 || graph_.value(input).type != type) return ir::kNoId;
  }
  for (const ir::ValueId input : product.inputs) {
    const ir::NodeId id = graph_.value(input).producer;
    if (id == ir::kNoId) continue;
    const bool is_activation =
        std::ranges::find(kActivationNames, graph_.node(id).op) != kActivationNames.end();
    const bool is_output = std::ranges::find(graph_.outputs(), input) != graph_.outputs().end();
    const bool has_one_reader = readers_[static_cast<size_t>(input)].size() == 1;
    if (is_activation && !is_output && has_one_reader) return id;
  }
  return ir::kNoId;
}

}  // namespace partita::ops
