// SPDX-License-Identifier: Apache-2.0
// The modules of a checkpoint, as the names of its tensors show them, over the weights of a graph.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace partita::planner {

// A checkpoint tensor and the weights of the graph that are made of it (a fused tensor: several).
struct ModuleParameter {
  std::string tensor;  // "model.layers.3.mlp.experts.0.w1.weight"
  // What rules may call it, layer numbers as '*', the likeliest first: as written; without its
  // first component (the base model); experts in one tensor: "layers.*.mlp.experts.gate_up_proj".
  std::vector<std::string> names;
  std::vector<ir::ValueId> weights;
};

// "a.12.b" -> "a.*.b".
[[nodiscard]] std::string without_numbers(std::string_view name);
// "a.b.c" -> "a.b"; empty for one component.
[[nodiscard]] std::string_view parent_of(std::string_view name);

// Borrows the graph. Immutable.
class CheckpointModules {
 public:
  explicit CheckpointModules(const ir::Graph& graph);

  // In the order of the graph's weights.
  [[nodiscard]] const std::vector<ModuleParameter>& parameters() const { return parameters_; }

  // The spec text that cuts dim `dim` (negative: from the end) of tensor `tensor` within the
  // weight, over all axes: "[_:*, _]". Rules mean [out, in] by a matrix, so that of a matrix the
  // dims of the weight count, however it is stored; in a stack of matrices dim 0 is the stack.
  // Nothing when there is no such dim or the weight's expression hides it (a reshape).
  [[nodiscard]] std::optional<std::string> cut_spec(ir::ValueId weight,
                                                    std::string_view tensor,
                                                    int dim) const;
  // Dims of the tensor, as far as the expression of the weight tells.
  [[nodiscard]] std::optional<int> rank_of(ir::ValueId weight, std::string_view tensor) const;
  // "[_, _]" for a value of two dims.
  [[nodiscard]] std::string whole_spec(ir::ValueId value) const;
  // The nodes that read a weight.
  [[nodiscard]] const std::vector<ir::NodeId>& readers(ir::ValueId value) const {
    return consumers_[static_cast<size_t>(value)];
  }

 private:
  void add_tensors(const ir::WeightSource& source, ir::ValueId weight);

  const ir::Graph& graph_;
  std::vector<ModuleParameter> parameters_;
  std::map<std::string, size_t, std::less<>> index_;  // tensor -> parameters_
  std::vector<std::vector<ir::NodeId>> consumers_;
};

}  // namespace partita::planner
