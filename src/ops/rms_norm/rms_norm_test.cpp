// SPDX-License-Identifier: Apache-2.0
// rms_norm against values of PyTorch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"

namespace partita::ops {
namespace {

using ::testing::FloatNear;
using ::testing::Pointwise;

TEST(RmsNorm, EqualsPyTorch) {
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({2, 4}, std::vector<float>{1, 2, 3, 4, -1, 0, 2, 5}),
      HostTensor::from_floats({4}, std::vector<float>{1, 0.5F, 2, -1})};
  // x * rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * w
  const std::vector<float> expected = {0.36514813F,  0.36514813F, 2.1908889F, -1.4605925F,
                                       -0.36514813F, 0,           1.4605925F, -1.8257406F};
  const auto y = evaluate("rms_norm", attributes({{"eps", 1e-5}}), inputs);
  EXPECT_THAT(y[0].floats(), Pointwise(FloatNear(1e-6F), expected));
}

TEST(RmsNorm, OfZerosIsZero) {
  std::vector<HostTensor> inputs = {HostTensor(DType::kF32, {1, 4}), HostTensor(DType::kF32, {4})};
  const auto y = evaluate("rms_norm", attributes({{"eps", 1e-5}}), inputs);
  EXPECT_EQ(y[0].floats(), std::vector<float>(4, 0));
}

}  // namespace
}  // namespace partita::ops
