// SPDX-License-Identifier: Apache-2.0
// matmul: values by hand, broadcast batches.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

TEST(Matmul, MultipliesMatrices) {
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({2, 2}, std::vector<float>{1, 2, 3, 4}),
      HostTensor::from_floats({2, 3}, std::vector<float>{1, 0, -1, 2, 1, 0})};
  for (const std::string_view kernel : accepting_kernels("matmul", {}, inputs)) {
    const auto y = evaluate("matmul", {}, inputs, {.kernel = kernel});
    EXPECT_THAT(y[0].floats(), ElementsAre(5, 2, -1, 11, 4, -3)) << kernel;
  }
}

TEST(Matmul, BroadcastsBatches) {
  // Batch [2,1] times batch [3]: y[i,j] = a[i] * b[j].
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({2, 1, 1, 1}, std::vector<float>{2, 3}),
      HostTensor::from_floats({3, 1, 1}, std::vector<float>{1, 10, 100})};
  for (const std::string_view kernel : accepting_kernels("matmul", {}, inputs)) {
    const auto y = evaluate("matmul", {}, inputs, {.kernel = kernel});
    EXPECT_THAT(y[0].shape, ElementsAre(2, 3, 1, 1));
    EXPECT_THAT(y[0].floats(), ElementsAre(2, 20, 200, 3, 30, 300)) << kernel;
  }
}

TEST(Matmul, TakesMixedElementTypesByTheReference) {
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({1, 2}, std::vector<float>{1, 2}),
      HostTensor::from_floats({2, 1}, std::vector<float>{3, 4}, DType::kBF16)};
  EXPECT_THAT(evaluate("matmul", {}, inputs)[0].floats(), ElementsAre(11));
}

TEST(Matmul, NotationHasNoFactorForBroadcastBatches) {
  const std::vector<ir::TensorType> inputs = {f32({2, 1, 5, 7}), f32({3, 7, 2})};
  const ir::Attributes none;
  EXPECT_EQ(spec::to_string(find_op("matmul").bind({"matmul", none, inputs})),
            "[b0,b1,m,n] <- [b0,1,m,k], [b1,k,n]; b0,b1,m,n map; k sum; linear 0 | 1");
}

}  // namespace
}  // namespace partita::ops
