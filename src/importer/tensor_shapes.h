// SPDX-License-Identifier: Apache-2.0
// The checkpoint that a graph asks for, seen from the graph alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace partita::importer {

using TensorShapes = std::map<std::string, std::vector<int64_t>>;

// Shapes of all tensors that the weights of `graph` read. Of a tensor that is cut everywhere, the
// cuts must reach its end. Throws kUnsupported naming a weight that reshapes or joins
// tensors: their shapes do not follow from its own.
[[nodiscard]] TensorShapes tensor_shapes(const ir::Graph& graph);

}  // namespace partita::importer
