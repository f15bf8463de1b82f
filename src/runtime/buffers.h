// SPDX-License-Identifier: Apache-2.0
// Places the results of a program in one arena, by liveness.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/graph.h"

namespace partita::runtime {

// Where every value lives. Values whose lives overlap never share bytes, and a node's outputs never
// share bytes with its inputs (kernels rely on it) - except for reshape, which moves nothing: its
// output is its input seen in another shape.
struct BufferPlan {
  static constexpr int64_t kAlignment = 64;  // a cache line, and the widest vector loads of oneDNN

  std::vector<ir::ValueId>
      storage;  // by value: the value whose memory it uses; itself unless made by a reshape
  std::vector<int64_t> offset;  // by value: bytes from the arena's begin; -1 for inputs, weights,
                                // states and reshapes
  int64_t arena_bytes = 0;

  // Whether the node only renames memory and need not run.
  [[nodiscard]] bool is_view(const ir::Node& node) const;
};

// Greedy by size: the largest value first, each at the lowest offset that is free for its whole
// life. Sizes are those of `max_sizes`, so that one arena serves all steps. Deterministic; costs
// O(results^2). CHECKs that every symbol is bound.
[[nodiscard]] BufferPlan plan_buffers(const ir::Graph& graph, const ir::SymbolSizes& max_sizes);

}  // namespace partita::runtime
