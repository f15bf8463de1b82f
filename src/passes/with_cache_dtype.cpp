// SPDX-License-Identifier: Apache-2.0
// Changes the types of states.
#include "passes/with_cache_dtype.h"

#include "ops/op.h"
#include "passes/rewrite.h"
#include "support/error.h"

namespace partita::passes {

ir::Graph with_cache_dtype(const ir::Graph& graph, DType dtype) {
  CHECK(dtype == DType::kF32 || dtype == DType::kBF16 || dtype == DType::kF16, to_string(dtype),
        " is no type of a KV cache");
  Rewrite rewrite(graph);
  for (size_t i = 0; i < graph.values().size(); ++i) {
    if (graph.values()[i].kind != ir::ValueKind::kState) continue;
    rewrite.stored_dtype[static_cast<ir::ValueId>(i)] = dtype;
  }
  ir::Graph result = rewrite.apply();
  ops::verify_types(result);
  return result;
}

}  // namespace partita::passes
