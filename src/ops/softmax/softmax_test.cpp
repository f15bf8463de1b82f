// SPDX-License-Identifier: Apache-2.0
// softmax against values of PyTorch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

TEST(Softmax, EqualsPyTorch) {
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({2, 4}, std::vector<float>{1, 2, 3, 4, -1, 0, 2, 5})};
  const std::vector<float> expected = {0.032058604F,  0.087144323F,  0.23688284F,  0.64391428F,
                                       0.0023406455F, 0.0063625341F, 0.047013119F, 0.94428378F};
  EXPECT_THAT(evaluate("softmax", {}, inputs)[0].floats(), Pointwise(FloatNear(1e-6F), expected));
}

TEST(Softmax, RunsAlongAnotherDim) {
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({2, 2}, std::vector<float>{5, 1, 5, 1})};
  const auto y = evaluate("softmax", attributes({{"dim", int64_t{0}}}), inputs);
  EXPECT_THAT(y[0].floats(), ElementsAre(0.5F, 0.5F, 0.5F, 0.5F));
}

TEST(Softmax, DoesNotOverflow) {
  std::vector<HostTensor> inputs = {HostTensor::from_floats({2}, std::vector<float>{1000, 1000})};
  EXPECT_THAT(evaluate("softmax", {}, inputs)[0].floats(), ElementsAre(0.5F, 0.5F));
}

}  // namespace
}  // namespace partita::ops
