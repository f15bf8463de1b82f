// SPDX-License-Identifier: Apache-2.0
// gated: values, and what it refuses. All kernels against the reference: kernel_conformance_test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::FloatNear;
using ::testing::Pointwise;

std::vector<float> gated(const std::string& activation,
                         std::vector<float> gate,
                         std::string_view kernel) {
  const auto count = static_cast<int64_t>(gate.size());
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({count}, gate),
      HostTensor::from_floats({count}, std::vector<float>(gate.size(), 2.0F))};
  return evaluate("gated", attributes({{"activation", activation}}), inputs, {.kernel = kernel})[0]
      .floats();
}

TEST(Gated, IsTheActivationTimesTheOther) {
  const std::vector<float> gate = {-30, -3, -0.5F, 0, 0.25F, 1, 4, 90};
  for (const std::string_view kernel : usable_kernels_of("gated")) {
    std::vector<float> silu;
    std::vector<float> gelu;
    for (const float x : gate) {
      silu.push_back(2 * x / (1 + std::exp(-x)));
      gelu.push_back(x * std::erfc(-x / std::sqrt(2.0F)));
    }
    EXPECT_THAT(gated("silu", gate, kernel), Pointwise(FloatNear(1e-5F), silu)) << kernel;
    EXPECT_THAT(gated("gelu", gate, kernel), Pointwise(FloatNear(1e-5F), gelu)) << kernel;
  }
}

TEST(Gated, KeepsNaNAndSurvivesInfinity) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const std::string_view kernel : usable_kernels_of("gated")) {
    for (const char* activation : {"silu", "gelu", "gelu_tanh", "relu"}) {
      const std::vector<float> y = gated(activation, {NAN, kInfinity, -1e30F, 1e30F}, kernel);
      EXPECT_TRUE(std::isnan(y[0])) << activation << " " << kernel;
      EXPECT_EQ(y[1], kInfinity) << activation << " " << kernel;
      EXPECT_NEAR(y[2], 0, 1e-6) << activation << " " << kernel;
      EXPECT_EQ(y[3], 2e30F) << activation << " " << kernel;
    }
  }
}

TEST(Gated, RefusesUnknownActivationsAndUnequalTypes) {
  const std::vector<ir::TensorType> equal = {f32({2, 3}), f32({2, 3})};
  const auto swish = attributes({{"activation", std::string("swish")}});
  EXPECT_THROW(static_cast<void>(infer_types({"gated", swish, equal})), Error);
  const std::vector<ir::TensorType> unequal = {f32({2, 3}), f32({1, 3})};
  const auto silu = attributes({{"activation", std::string("silu")}});
  EXPECT_THROW(static_cast<void>(infer_types({"gated", silu, unequal})), Error);
}

}  // namespace
}  // namespace partita::ops
