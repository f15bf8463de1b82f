// SPDX-License-Identifier: Apache-2.0
#include "ops/gated/gated_product.h"

#include <algorithm>

#include "ops/activations.h"

namespace partita::ops {

GatedProducts::GatedProducts(const ir::Graph& graph) : graph_(graph), sole_(graph) {}

ir::NodeId GatedProducts::activation_of(const ir::Node& product) const {
  if (product.op != "mul") return ir::kNoId;
  const ir::TensorType& type = graph_.value(product.outputs[0]).type;
  for (const ir::ValueId input : product.inputs) {
    if (type.dtype != DType::kF32 || graph_.value(input).type != type) return ir::kNoId;
  }
  for (const ir::ValueId input : product.inputs) {
    const ir::NodeId id = sole_.producer_of(input);
    if (id == ir::kNoId) continue;
    const bool is_activation =
        std::ranges::find(kActivationNames, graph_.node(id).op) != kActivationNames.end();
    if (is_activation) return id;
  }
  return ir::kNoId;
}

}  // namespace partita::ops
