// SPDX-License-Identifier: Apache-2.0
// transpose: order of elements and dims.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

HostTensor transpose(HostTensor x, std::vector<int64_t> permutation) {
  std::vector<HostTensor> inputs = {std::move(x)};
  return evaluate("transpose", attributes({{"permutation", std::move(permutation)}}), inputs)[0];
}

TEST(Transpose, SwapsRowsAndColumns) {
  const auto y =
      transpose(HostTensor::from_floats({2, 3}, std::vector<float>{0, 1, 2, 3, 4, 5}), {1, 0});
  EXPECT_THAT(y.shape, ElementsAre(3, 2));
  EXPECT_THAT(y.floats(), ElementsAre(0, 3, 1, 4, 2, 5));
}

TEST(Transpose, MovesOuterDimsAndKeepsTheLast) {
  const auto y = transpose(
      HostTensor::from_floats({2, 2, 2}, std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7}), {1, 0, 2});
  EXPECT_THAT(y.floats(), ElementsAre(0, 1, 4, 5, 2, 3, 6, 7));
}

TEST(Transpose, TakesAnyElementType) {
  const auto y = transpose(
      HostTensor::from_integers({1, 2}, std::vector<int64_t>{7, -8}, DType::kI64), {1, 0});
  EXPECT_THAT(y.shape, ElementsAre(2, 1));
  EXPECT_THAT(y.floats(), ElementsAre(7, -8));
}

TEST(Transpose, RefusesADimNamedTwice) {
  EXPECT_THROW(static_cast<void>(transpose(HostTensor(DType::kF32, {2, 3}), {0, 0})), Error);
  EXPECT_THROW(static_cast<void>(transpose(HostTensor(DType::kF32, {2, 3}), {0})), Error);
}

}  // namespace
}  // namespace partita::ops
