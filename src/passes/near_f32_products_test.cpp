// SPDX-License-Identifier: Apache-2.0
// Which products take activations as they are.
#include "passes/near_f32_products.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/products.h"
#include "support/error.h"

namespace partita::passes {
namespace {

ir::Graph model(const std::string& attribute = "") {
  return ir::parse_graph(R"(graph "m" {
    input %x : f32[t,64]
    weight %norm : bf16[64] = tensor("norm")
    weight %up : bf16[40,64] = tensor("up")
    weight %down : f32[64,40] = tensor("down")
    %n : f32[t,64] = rms_norm(%x, %norm) {eps = 1e-5}
    %u : f32[t,40] = linear(%n, %up))" +
                         attribute + R"(
    %d : f32[t,64] = linear(%u, %down)
    return %d
  })");
}

TEST(NearF32Products, AreThoseWithBf16Weights) {
  const NearF32Graph result = near_f32_products(model());
  EXPECT_EQ(result.products, 1);
  std::vector<bool> are_near;
  for (const ir::Node& node : result.graph.nodes()) {
    are_near.push_back(ops::are_near_f32(node.attributes));
  }
  EXPECT_THAT(are_near, testing::ElementsAre(false, true, false));
  EXPECT_EQ(ir::hash_of(near_f32_products(result.graph).graph), ir::hash_of(result.graph));
  EXPECT_NE(ir::hash_of(result.graph), ir::hash_of(model()));
}

TEST(NearF32Products, AreThoseWithBf16CachesToo) {
  const auto products_beside = [](const std::string& cache) {
    const std::string text = R"(graph "m" {
    input %q : f32[t,2,16]
    input %k : f32[t,2,16]
    input %v : f32[t,2,16]
    state %kc : )" + cache + R"([2,8,16,16]
    state %vc : )" + cache + R"([2,8,16,16]
    input %p : i32[t]
    input %s : i32[t]
    input %b : i32[1,8]
    %o : f32[t,2,16] = attention(%q, %k, %v, %kc, %vc, %p, %s, %b)
    return %o
  })";
    return near_f32_products(ir::parse_graph(text)).products;
  };
  EXPECT_EQ(products_beside("bf16"), 1);
  EXPECT_EQ(products_beside("f16"), 0);
  EXPECT_EQ(products_beside("f32"), 0);
}

TEST(NearF32Products, CountTwiceInTheArithmetic) {
  const std::vector<ir::TensorType> bf16 = {{DType::kF32, {8, 64}}, {DType::kBF16, {40, 64}}};
  const std::vector<ir::TensorType> f32 = {{DType::kF32, {8, 64}}, {DType::kF32, {40, 64}}};
  ir::Attributes near;
  near.set("products", std::string("near_f32"));
  const auto flops = [](const ir::Attributes& attributes,
                        const std::vector<ir::TensorType>& types) {
    return ops::find_op("linear").flops({"linear", attributes, types}, {});
  };
  EXPECT_DOUBLE_EQ(flops({}, bf16), 2.0 * 8 * 40 * 64);
  EXPECT_DOUBLE_EQ(flops(near, bf16), 2 * flops({}, bf16));
  EXPECT_DOUBLE_EQ(flops(near, f32), flops({}, f32));
  const auto attention = [](const ir::Attributes& attributes, DType cache) {
    const std::vector<ir::TensorType> types = {{DType::kF32, {1, 2, 16}}, {DType::kF32, {1, 2, 16}},
                                               {DType::kF32, {1, 2, 16}}, {cache, {2, 8, 16, 16}},
                                               {cache, {2, 8, 16, 16}},   {DType::kI32, {1}},
                                               {DType::kI32, {1}},        {DType::kI32, {1, 8}}};
    return ops::find_op("attention").flops({"attention", attributes, types}, {});
  };
  EXPECT_DOUBLE_EQ(attention(near, DType::kBF16), 2 * attention({}, DType::kBF16));
  EXPECT_DOUBLE_EQ(attention(near, DType::kF32), attention({}, DType::kF32));
}

TEST(NearF32Products, HaveNoOtherValue) {
  EXPECT_THROW(ops::verify_types(model(" {products = \"exact\"}")), Error);
  ops::verify_types(model(" {products = \"near_f32\"}"));
}

}  // namespace
}  // namespace partita::passes
