// SPDX-License-Identifier: Apache-2.0
// layer_norm against values of PyTorch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"

namespace partita::ops {
namespace {

using ::testing::FloatNear;
using ::testing::Pointwise;

TEST(LayerNorm, EqualsPyTorch) {
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({2, 4}, std::vector<float>{1, 2, 3, 4, -1, 0, 2, 5}),
      HostTensor::from_floats({4}, std::vector<float>{1, 0.5F, 2, -1}),
      HostTensor::from_floats({4}, std::vector<float>{0.1F, 0.2F, 0.3F, 0.4F})};
  // torch.nn.functional.layer_norm(x, (4,), w, b, 1e-5)
  const std::vector<float> expected = {-1.2416354F,  -0.023605913F, 1.1944237F,  -0.94163549F,
                                       -0.99108839F, -0.12732653F,  0.73643541F, -1.1275238F};
  const auto y = evaluate("layer_norm", attributes({{"eps", 1e-5}}), inputs);
  EXPECT_THAT(y[0].floats(), Pointwise(FloatNear(1e-6F), expected));
}

TEST(LayerNorm, KeepsPrecisionOfALargeMean) {
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({1, 2}, std::vector<float>{100000, 100001}),
      HostTensor::from_floats({2}, std::vector<float>{1, 1}), HostTensor(DType::kF32, {2})};
  const auto y = evaluate("layer_norm", attributes({{"eps", 0.0}}), inputs);
  EXPECT_THAT(y[0].floats(), ::testing::ElementsAre(-1, 1));
}

}  // namespace
}  // namespace partita::ops
