// SPDX-License-Identifier: Apache-2.0
// Which weights become blocks, and which keep their type.
#include "passes/quantize_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error.h"

namespace partita::passes {
namespace {

using ::testing::ElementsAre;

// A tied model with a table of positions and one layer whose down projection has rows of 40.
ir::Graph model() {
  return ir::parse_graph(R"(graph "m" {
    input %token_ids : i32[t]
    input %positions : i32[t]
    weight %table : f32[50,64] = tensor("table")
    weight %places : f32[16,64] = tensor("places")
    weight %norm : f32[64] = tensor("norm")
    weight %up : bf16[40,64] = tensor("up")
    weight %down : f32[64,40] = tensor("down")
    %x : f32[t,64] = embedding(%table, %token_ids)
    %p : f32[t,64] = embedding(%places, %positions)
    %s : f32[t,64] = add(%x, %p)
    %n : f32[t,64] = rms_norm(%s, %norm) {eps = 1e-5}
    %u : f32[t,40] = linear(%n, %up)
    %d : f32[t,64] = linear(%u, %down)
    %logits : f32[t,50] = linear(%d, %table)
    return %logits
  })");
}

DType dtype_of(const ir::Graph& graph, std::string_view name) {
  return graph.value(*graph.find_value(name)).type.dtype;
}

TEST(QuantizeWeights, ChangesMatricesOfProductsAndTheTokenTable) {
  const QuantizedGraph result = quantize_weights(model(), DType::kQ4_0);
  EXPECT_EQ(result.quantized, 2);
  EXPECT_EQ(dtype_of(result.graph, "table"), DType::kQ4_0);
  EXPECT_EQ(dtype_of(result.graph, "up"), DType::kQ4_0);
  EXPECT_EQ(dtype_of(result.graph, "places"), DType::kF32);
  EXPECT_EQ(dtype_of(result.graph, "norm"), DType::kF32);
}

TEST(QuantizeWeights, KeepsWhatHasNoWholeBlocksInBf16AndNamesIt) {
  const QuantizedGraph result = quantize_weights(model(), DType::kQ8_0);
  EXPECT_THAT(result.kept, ElementsAre("down"));
  EXPECT_EQ(dtype_of(result.graph, "down"), DType::kBF16);
}

TEST(QuantizeWeights, ExpertsStayTogether) {
  const ir::Graph graph = ir::parse_graph(R"(graph "m" {
    input %x : f32[t,64]
    input %r : f32[t,4]
    weight %gate : f32[4,40,64] = tensor("gate")
    weight %up : f32[4,40,64] = tensor("up")
    weight %down : f32[4,64,40] = tensor("down")
    %y : f32[t,64] = experts(%x, %r, %gate, %up, %down) {top_k = 2}
    return %y
  })");
  const QuantizedGraph result = quantize_weights(graph, DType::kQ8_0);
  EXPECT_EQ(result.quantized, 0);
  EXPECT_THAT(result.kept, ElementsAre("gate", "up", "down"));
  EXPECT_EQ(dtype_of(result.graph, "gate"), DType::kBF16);
}

TEST(QuantizeWeights, AWeightThatIsAlsoTheResultStays) {
  const ir::Graph graph = ir::parse_graph(R"(graph "m" {
    input %x : f32[t,64]
    weight %w : f32[8,64] = tensor("w")
    %y : f32[t,8] = linear(%x, %w)
    return %y, %w
  })");
  EXPECT_EQ(quantize_weights(graph, DType::kQ8_0).quantized, 0);
}

}  // namespace
}  // namespace partita::passes
