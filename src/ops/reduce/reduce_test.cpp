// SPDX-License-Identifier: Apache-2.0
// Reductions: values by hand, kept dims, empty dims.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "ops/declaration.h"
#include "ops/evaluate.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

HostTensor reduce(std::string_view op, int64_t dim, int64_t keep = 0) {
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({2, 3}, std::vector<float>{1, -2, 4, 3, 5, -6})};
  return evaluate(op, attributes({{"dim", dim}, {"keep", keep}}), inputs)[0];
}

TEST(Reduce, AlongTheLastDim) {
  EXPECT_THAT(reduce("reduce_sum", -1).floats(), ElementsAre(3, 2));
  EXPECT_THAT(reduce("reduce_max", -1).floats(), ElementsAre(4, 5));
  EXPECT_THAT(reduce("reduce_min", -1).floats(), ElementsAre(-2, -6));
  EXPECT_THAT(reduce("reduce_prod", -1).floats(), ElementsAre(-8, -90));
}

TEST(Reduce, AlongTheFirstDim) {
  EXPECT_THAT(reduce("reduce_sum", 0).floats(), ElementsAre(4, 3, -2));
  EXPECT_THAT(reduce("reduce_mean", 0).floats(), ElementsAre(2, 1.5F, -1));
}

TEST(Reduce, KeepsTheDimWhenAsked) {
  EXPECT_THAT(reduce("reduce_sum", 1).shape, ElementsAre(2));
  EXPECT_THAT(reduce("reduce_sum", 1, 1).shape, ElementsAre(2, 1));
}

TEST(Reduce, OfNothingGivesTheNeutralElement) {
  const float infinity = std::numeric_limits<float>::infinity();
  const ir::Attributes dim = attributes({{"dim", int64_t{1}}});
  std::vector<HostTensor> inputs = {HostTensor(DType::kF32, {1, 0})};
  EXPECT_THAT(evaluate("reduce_sum", dim, inputs)[0].floats(), ElementsAre(0));
  EXPECT_THAT(evaluate("reduce_prod", dim, inputs)[0].floats(), ElementsAre(1));
  EXPECT_THAT(evaluate("reduce_max", dim, inputs)[0].floats(), ElementsAre(-infinity));
  EXPECT_THAT(evaluate("reduce_min", dim, inputs)[0].floats(), ElementsAre(infinity));
}

TEST(Reduce, OnlyReductionsThatAddUpMaySplitTheirDim) {
  const std::vector<ir::TensorType> inputs = {f32({5, 7})};
  const ir::Attributes dim = attributes({{"dim", int64_t{1}}});
  const auto factor = [&](std::string_view op) {
    return find_op(op).bind({op, dim, inputs}).factors[1];
  };
  EXPECT_EQ(factor("reduce_max").kind, spec::FactorKind::kReduce);
  EXPECT_EQ(factor("reduce_max").reduce, ReduceKind::kMax);
  EXPECT_EQ(factor("reduce_mean").kind, spec::FactorKind::kWhole);
}

}  // namespace
}  // namespace partita::ops
