// SPDX-License-Identifier: Apache-2.0
// Makes products with bf16 weights and caches take activations as they are, not rounded to bf16.
#pragma once

#include <cstdint>

#include "ir/graph.h"

namespace partita::passes {

struct NearF32Graph {
  ir::Graph graph;
  int64_t products = 0;  // nodes that have the attribute now
};

// Sets the attribute of ops/products.h on every node that multiplies activations with a bf16
// weight or cache, and takes it from all others.
[[nodiscard]] NearF32Graph near_f32_products(const ir::Graph& graph);

}  // namespace partita::passes
