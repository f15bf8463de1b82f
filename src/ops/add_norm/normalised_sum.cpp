// SPDX-License-Identifier: Apache-2.0
#include "ops/add_norm/normalised_sum.h"

#include <algorithm>

namespace partita::ops {

bool is_normalised_sum(const ir::Graph& graph, const ir::Node& add, const ir::Node& reader) {
  const bool is_norm = reader.op == "rms_norm" || reader.op == "layer_norm";
  if (add.op != "add" || !is_norm || reader.inputs[0] != add.outputs[0]) return false;
  const ir::TensorType& type = graph.value(reader.outputs[0]).type;
  return type.dtype == DType::kF32 && std::ranges::all_of(add.inputs, [&](ir::ValueId term) {
           return graph.value(term).type == type;
         });
}

}  // namespace partita::ops
