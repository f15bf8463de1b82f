// SPDX-License-Identifier: Apache-2.0
// batch_norm: values of PyTorch, refused calls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

HostTensor vector_of(std::vector<float> values) {
  return HostTensor::from_floats({static_cast<int64_t>(values.size())}, values);
}

TEST(BatchNorm, ScalesAndShiftsEveryChannel) {
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({1, 2, 2}, std::vector<float>{1, 2, 3, 4}), vector_of({2, 3}),
      vector_of({10, 20}), vector_of({1, 2}), vector_of({4, 0.25F})};
  EXPECT_THAT(evaluate("batch_norm", attributes({{"eps", 0.0}}), inputs)[0].floats(),
              ElementsAre(10, 11, 26, 32));
}

TEST(BatchNorm, RefusesOtherChannelsAndAMissingEps) {
  const auto infer = [](int64_t channels, const ir::Attributes& given) {
    const std::vector<ir::TensorType> inputs = {f32({1, 2, 2}), f32({channels}), f32({2}), f32({2}),
                                                f32({2})};
    static_cast<void>(infer_types({"batch_norm", given, inputs}));
  };
  EXPECT_NO_THROW(infer(2, attributes({{"eps", 1e-5}})));
  EXPECT_THROW(infer(3, attributes({{"eps", 1e-5}})), Error);
  EXPECT_THROW(infer(2, {}), Error);
}

}  // namespace
}  // namespace partita::ops
