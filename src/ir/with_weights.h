// SPDX-License-Identifier: Apache-2.0
// Graphs that differ in their weights only.
#pragma once

#include <functional>
#include <string>

#include "ir/graph.h"
#include "ir/types.h"
#include "ir/weight_source.h"

namespace partita::ir {

struct NewWeight {
  TensorType type;
  WeightSource source;
};

// The same graph with other element types and sources of weights. Shapes stay.
[[nodiscard]] Graph with_weights(const Graph& graph,
                                 const std::function<NewWeight(const Value& weight)>& change);

// `source` with every tensor replaced by the expression that `replacement` gives for its name.
[[nodiscard]] WeightSource with_tensors(
    const WeightSource& source,
    const std::function<WeightSource(const std::string& tensor)>& replacement);

// The same value with fewer steps: a matrix that is transposed, perhaps cut, and transposed back is
// only cut.
[[nodiscard]] WeightSource simplified(WeightSource source);

}  // namespace partita::ir
