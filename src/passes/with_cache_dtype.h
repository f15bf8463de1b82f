// SPDX-License-Identifier: Apache-2.0
// Gives the KV caches of a graph an element type.
#pragma once

#include "ir/graph.h"

namespace partita::passes {

// The same graph with all states, which are KV caches, of `dtype`: f32, bf16 or f16. Only types of
// states change: what a step computes stays f32, and keys and values are rounded to the nearest,
// even of two, where attention writes them.
[[nodiscard]] ir::Graph with_cache_dtype(const ir::Graph& graph, DType dtype);

}  // namespace partita::passes
