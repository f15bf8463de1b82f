// SPDX-License-Identifier: Apache-2.0
// Elementwise operators: values of PyTorch, broadcasting, integers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

struct UnaryCase {
  std::string_view op;
  std::vector<float> expected;  // of -2, -0.5, 0, 1, 3, from PyTorch
};

class Unary : public ::testing::TestWithParam<UnaryCase> {};

TEST_P(Unary, EqualsPyTorch) {
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({5}, std::vector<float>{-2, -0.5F, 0, 1, 3})};
  const auto given =
      attributes({{"factor", 0.5}, {"slope", 0.25}, {"low", -1.0}, {"high", int64_t{2}}});
  const auto y = evaluate(GetParam().op, given, inputs);
  EXPECT_THAT(y[0].floats(), Pointwise(FloatNear(2e-6F), GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    Elementwise,
    Unary,
    ::testing::Values(
        UnaryCase{"silu", {-0.23840584F, -0.18877034F, 0, 0.7310586F, 2.8577225F}},
        UnaryCase{"gelu", {-0.045500278F, -0.15426877F, 0, 0.84134471F, 2.9959497F}},
        UnaryCase{"gelu_tanh", {-0.045402288F, -0.154286F, 0, 0.84119201F, 2.9963627F}},
        UnaryCase{"relu", {0, 0, 0, 1, 3}},
        UnaryCase{"tanh", {-0.96402758F, -0.46211717F, 0, 0.76159418F, 0.99505478F}},
        UnaryCase{"sigmoid", {0.11920292F, 0.37754068F, 0.5F, 0.7310586F, 0.95257413F}},
        UnaryCase{"exp", {0.13533528F, 0.60653067F, 1, 2.7182817F, 20.085537F}},
        UnaryCase{"neg", {2, 0.5F, 0, -1, -3}},
        UnaryCase{"abs", {2, 0.5F, 0, 1, 3}},
        UnaryCase{"erf", {-0.99532229F, -0.52049989F, 0, 0.84270078F, 0.99997789F}},
        UnaryCase{"sin", {-0.90929741F, -0.47942555F, 0, 0.84147096F, 0.14112F}},
        UnaryCase{"cos", {-0.41614684F, 0.87758255F, 1, 0.54030234F, -0.9899925F}},
        UnaryCase{"floor", {-2, -1, 0, 1, 3}},
        UnaryCase{"ceil", {-2, 0, 0, 1, 3}},
        UnaryCase{"leaky_relu", {-0.5F, -0.125F, 0, 1, 3}},
        UnaryCase{"clip", {-1, -0.5F, 0, 1, 2}},
        UnaryCase{"scale", {-1, -0.25F, 0, 0.5F, 1.5F}}),
    [](const auto& test) { return std::string(test.param.op); });

TEST(Elementwise, SquareRoots) {
  std::vector<HostTensor> inputs = {HostTensor::from_floats({2}, std::vector<float>{4, 0.25F})};
  EXPECT_THAT(evaluate("sqrt", {}, inputs)[0].floats(), ElementsAre(2, 0.5F));
  EXPECT_THAT(evaluate("rsqrt", {}, inputs)[0].floats(), ElementsAre(0.5F, 2));
}

TEST(Elementwise, LogarithmsAndPowers) {
  std::vector<HostTensor> inputs = {HostTensor::from_floats({2}, std::vector<float>{1, 0.25F})};
  EXPECT_THAT(evaluate("log", {}, inputs)[0].floats(),
              Pointwise(FloatNear(1e-6F), std::vector<float>{0, -1.3862944F}));
  inputs = {HostTensor::from_floats({3}, std::vector<float>{3, 2, 0.5F}),
            HostTensor::from_floats({3}, std::vector<float>{2, -1, 3})};
  EXPECT_THAT(evaluate("pow", {}, inputs)[0].floats(), ElementsAre(9, 0.5F, 0.125F));
}

std::vector<float> binary(std::string_view op, HostTensor a, HostTensor b) {
  std::vector<HostTensor> inputs = {std::move(a), std::move(b)};
  return evaluate(op, {}, inputs)[0].floats();
}

TEST(Elementwise, BinaryFunctions) {
  const HostTensor a = HostTensor::from_floats({3}, std::vector<float>{6, -1, 2});
  const HostTensor b = HostTensor::from_floats({3}, std::vector<float>{3, 4, -8});
  EXPECT_THAT(binary("add", a, b), ElementsAre(9, 3, -6));
  EXPECT_THAT(binary("sub", a, b), ElementsAre(3, -5, 10));
  EXPECT_THAT(binary("mul", a, b), ElementsAre(18, -4, -16));
  EXPECT_THAT(binary("div", a, b), ElementsAre(2, -0.25F, -0.25F));
  EXPECT_THAT(binary("max", a, b), ElementsAre(6, 4, 2));
  EXPECT_THAT(binary("min", a, b), ElementsAre(3, -1, -8));
}

TEST(Elementwise, AddsABiasToEveryRow) {
  const HostTensor a = HostTensor::from_floats({2, 3}, std::vector<float>{0, 1, 2, 3, 4, 5});
  const HostTensor b = HostTensor::from_floats({3}, std::vector<float>{10, 20, 30});
  EXPECT_THAT(binary("add", a, b), ElementsAre(10, 21, 32, 13, 24, 35));
  EXPECT_THAT(binary("sub", b, a), ElementsAre(10, 19, 28, 7, 16, 25));
}

TEST(Elementwise, BroadcastsBothSides) {
  const HostTensor a = HostTensor::from_floats({2, 1}, std::vector<float>{1, 2});
  const HostTensor b = HostTensor::from_floats({1, 3}, std::vector<float>{10, 20, 30});
  EXPECT_THAT(binary("mul", a, b), ElementsAre(10, 20, 30, 20, 40, 60));
}

TEST(Elementwise, TakesScalars) {
  const HostTensor a = HostTensor::from_floats({}, std::vector<float>{2});
  const HostTensor b = HostTensor::from_floats({2}, std::vector<float>{10, 20});
  EXPECT_THAT(binary("add", a, b), ElementsAre(12, 22));
  EXPECT_THAT(binary("add", a, a), ElementsAre(4));
}

TEST(Elementwise, AddsIntegers) {
  const HostTensor a = HostTensor::from_integers({2}, std::vector<int64_t>{3, -4}, DType::kI64);
  EXPECT_THAT(binary("add", a, a), ElementsAre(6, -8));
}

TEST(Elementwise, MaxKeepsNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const HostTensor a = HostTensor::from_floats({2}, std::vector<float>{nan, 1});
  const HostTensor b = HostTensor::from_floats({2}, std::vector<float>{1, nan});
  for (const float value : binary("max", a, b)) EXPECT_TRUE(std::isnan(value));
}

TEST(Elementwise, BroadcastDimsHaveNoFactor) {
  const std::vector<ir::TensorType> inputs = {{DType::kF32, {"t", 6}}, f32({6})};
  const ir::Attributes none;
  const spec::Notation notation = find_op("add").bind({"add", none, inputs});
  EXPECT_EQ(spec::to_string(notation), "[d0,d1] <- [d0,d1], [d1]; d0,d1 map; linear 0 1");
}

TEST(Elementwise, SumsPassPartialsTogether) {
  const std::vector<ir::TensorType> inputs = {f32({5, 6}), f32({6})};
  const ir::Attributes none;
  EXPECT_EQ(find_op("add").bind({"add", none, inputs}).linear_in,
            (std::vector<std::vector<int>>{{0, 1}}));
  EXPECT_EQ(find_op("mul").bind({"mul", none, inputs}).linear_in,
            (std::vector<std::vector<int>>{{0}, {1}}));
}

TEST(Elementwise, RefusesSizesThatDoNotBroadcast) {
  const std::vector<ir::TensorType> inputs = {f32({5, 6}), f32({5})};
  const ir::Attributes none;
  EXPECT_THROW(static_cast<void>(infer_types({"add", none, inputs})), Error);
}

}  // namespace
}  // namespace partita::ops
