// SPDX-License-Identifier: Apache-2.0
// Finds the results that can be made where their only reader, a collective, wants them.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "runtime/buffers.h"

namespace partita::runtime {

// A result that node `producer` makes as its output `output`, and of which only input 0 of the
// collective `reader` is left to read, directly or through views.
struct WishedInput {
  size_t producer = 0;
  size_t output = 0;
  size_t reader = 0;
};

// By producer. No other collective is between the two nodes, so that memory which the reader's
// group keeps free for its next call stays free until then. O(nodes).
[[nodiscard]] std::vector<WishedInput> find_wished_inputs(const ir::Graph& graph,
                                                          const BufferPlan& buffers);

}  // namespace partita::runtime
