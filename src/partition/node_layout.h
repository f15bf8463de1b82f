// SPDX-License-Identifier: Apache-2.0
// How one node lies on its stage's mesh: the plan's choice of factors with the pieces that the
// plan's specs show.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "spec/mesh.h"
#include "spec/notation.h"
#include "spec/strategy.h"
#include "spec/tensor_spec.h"

namespace partita::partition {

struct NodeLayout {
  spec::Notation notation;
  spec::Strategy strategy;  // the specs that the node reads and makes, pieces included
};

// Specs that the plan lists for the tensors of a node. A spec that cuts other dims than the
// strategy does is no evidence.
struct ListedSpecs {
  std::vector<std::vector<const spec::TensorSpec*>>
      inputs;  // per input, best first: as it is resharded to, as it lies
  std::vector<const spec::TensorSpec*> outputs;  // per output; null when not listed
};

// A plan stores which factor each mesh axis splits, and the specs of the values, but not the pieces
// of the factors. They are read off the listed specs: outputs first, then inputs in order; a factor
// that no listed spec shows is cut evenly. Throws kInvalidArgument naming the node when
// `axis_factor` is not legal for it. An empty axis_factor means replicated.
[[nodiscard]] NodeLayout layout_of(const ir::Graph& graph,
                                   const ir::Node& node,
                                   const spec::Mesh& mesh,
                                   const std::vector<int>& axis_factor,
                                   const ListedSpecs& listed);

// Same axes on the same dims and the same partials; pieces may differ.
[[nodiscard]] bool same_axes(const spec::TensorSpec& a, const spec::TensorSpec& b);

}  // namespace partita::partition
