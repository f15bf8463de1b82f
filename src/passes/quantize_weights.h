// SPDX-License-Identifier: Apache-2.0
// Gives the large weights of a graph an element type that is stored in blocks.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace partita::passes {

struct QuantizedGraph {
  ir::Graph graph;
  int64_t quantized = 0;  // weights that are stored in blocks now
  // Weights that should be and are not, because no whole blocks fit into their rows: they are bf16.
  std::vector<std::string> kept;
};

// The weights that are quantised are those that products read (linear, experts) and the tables of
// the input tokens, each row by row in blocks of `dtype` (q8_0 or q4_0). All others keep their
// type: norms, biases, routers, tables of positions. Where one of gate, up and down does not fit,
// all three are kept. Only types change here; what reads the checkpoint quantises.
[[nodiscard]] QuantizedGraph quantize_weights(const ir::Graph& graph, DType dtype);

}  // namespace partita::passes
