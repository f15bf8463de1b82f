// SPDX-License-Identifier: Apache-2.0
// cast: rounding among floats, saturation to integers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

HostTensor cast(HostTensor x, std::string dtype) {
  std::vector<HostTensor> inputs = {std::move(x)};
  return evaluate("cast", attributes({{"dtype", std::move(dtype)}}), inputs)[0];
}

TEST(Cast, RoundsToNearestEvenAmongFloats) {
  const HostTensor x = HostTensor::from_floats({2}, std::vector<float>{1.00390625F, -3.5F});
  EXPECT_THAT(cast(x, "bf16").floats(), ElementsAre(1, -3.5F));  // 1 + 2^-8 is a tie
  EXPECT_THAT(cast(x, "f16").floats(), ElementsAre(1.00390625F, -3.5F));
  EXPECT_EQ(cast(cast(x, "f64"), "f32"), x);
}

TEST(Cast, GoesTowardsZeroAndSaturatesToIntegers) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const HostTensor x = HostTensor::from_floats({4}, std::vector<float>{-1.9F, 1e30F, -1e30F, nan});
  EXPECT_THAT(cast(x, "i8").floats(), ElementsAre(-1, 127, -128, 0));
  EXPECT_EQ(cast(x, "i64").floats()[1], 9223372036854775808.0F);
}

TEST(Cast, KeepsLargeIntegersExactly) {
  const int64_t value = (int64_t{1} << 53) + 1;
  const HostTensor x = HostTensor::from_integers({1}, std::vector<int64_t>{value}, DType::kI64);
  EXPECT_EQ(cast(x, "i64"), x);
}

TEST(Cast, ToBoolIsNotZero) {
  const HostTensor x = HostTensor::from_floats({3}, std::vector<float>{0, 0.5F, -2});
  EXPECT_THAT(cast(cast(x, "bool"), "i32").floats(), ElementsAre(0, 1, 1));
}

TEST(Cast, RefusesAnUnknownType) {
  EXPECT_THROW(static_cast<void>(cast(HostTensor(DType::kF32, {1}), "f31")), Error);
}

}  // namespace
}  // namespace partita::ops
