// SPDX-License-Identifier: Apache-2.0
// concat: joining along the first and last dim.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

HostTensor concat(int64_t dim, std::vector<HostTensor> inputs) {
  return evaluate("concat", attributes({{"dim", dim}}), inputs)[0];
}

const HostTensor kSquare = HostTensor::from_floats({2, 2}, std::vector<float>{0, 1, 2, 3});
const HostTensor kColumn = HostTensor::from_floats({2, 1}, std::vector<float>{8, 9});

TEST(Concat, JoinsColumns) {
  EXPECT_THAT(concat(1, {kSquare, kColumn}).floats(), ElementsAre(0, 1, 8, 2, 3, 9));
}

TEST(Concat, JoinsRows) {
  EXPECT_THAT(concat(0, {kColumn, kColumn}).floats(), ElementsAre(8, 9, 8, 9));
}

TEST(Concat, SkipsEmptyTensors) {
  EXPECT_EQ(concat(1, {HostTensor(DType::kF32, {2, 0}), kSquare}), kSquare);
}

TEST(Concat, RefusesOtherSizesOfTheOtherDims) {
  EXPECT_THROW(static_cast<void>(concat(0, {kSquare, kColumn})), Error);
}

}  // namespace
}  // namespace partita::ops
