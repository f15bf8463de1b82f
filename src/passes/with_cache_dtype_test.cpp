// SPDX-License-Identifier: Apache-2.0
// The text of a graph with KV caches of another element type.
#include "passes/with_cache_dtype.h"

#include <gtest/gtest.h>

#include "support/error.h"

namespace partita::passes {
namespace {

// Attention over caches of `dtype`, with a weight and a result of f32 beside them.
std::string model(std::string_view dtype) {
  return str(R"(graph "m" {
  input %x : f32[t,2,4]
  input %positions : i32[t]
  input %sequence_ids : i32[t]
  input %block_tables : i32[s,m]
  weight %bias : f32[4] = tensor("bias")
  state %k_cache : )",
             dtype, R"([2,c,4,16]
  state %v_cache : )",
             dtype, R"([2,c,16,4]
  %attn : f32[t,2,4] = attention(%x, %x, %x, %k_cache, %v_cache, %positions, %sequence_ids, %block_tables) {group = 1, scale = 0.5}
  %y : f32[t,2,4] = add(%attn, %bias)
  return %y
}
)");
}

TEST(WithCacheDtype, ChangesTheStatesAlone) {
  const ir::Graph graph = ir::parse_graph(model("f32"));
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    EXPECT_EQ(ir::print_graph(with_cache_dtype(graph, dtype)), model(to_string(dtype)));
  }
}

TEST(WithCacheDtype, ComesBackToTheSameGraph) {
  const ir::Graph graph = ir::parse_graph(model("f32"));
  const ir::Graph half = with_cache_dtype(graph, DType::kBF16);
  EXPECT_NE(ir::hash_of(half), ir::hash_of(graph));
  EXPECT_EQ(ir::hash_of(with_cache_dtype(half, DType::kF32)), ir::hash_of(graph));
}

}  // namespace
}  // namespace partita::passes
