// SPDX-License-Identifier: Apache-2.0
// linear: values by hand, types, what is released.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

TEST(Linear, MultipliesEachRowByEachRowOfWeights) {
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({2, 3}, std::vector<float>{1, 2, 3, -1, 0, 4}),
      HostTensor::from_floats({2, 3}, std::vector<float>{1, 0, -1, 2, 2, 2})};
  // Row 0: 1*1 + 3*-1 = -2 and 2 * (1 + 2 + 3) = 12. Row 1: -1 - 4 = -5 and 2 * (-1 + 0 + 4) = 6.
  for (const std::string_view kernel : accepting_kernels("linear", {}, inputs)) {
    const auto y = evaluate("linear", {}, inputs, {.kernel = kernel});
    EXPECT_THAT(y[0].floats(), ElementsAre(-2, 12, -5, 6)) << kernel;
  }
}

TEST(Linear, RoundsInputsToBf16ForBf16Weights) {
  // 1 + 2^-8 lies halfway between two bf16 values and goes to the even one, 1.
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({2}, std::vector<float>{1.00390625F, 1.01F}),
      HostTensor::from_floats({1, 2}, std::vector<float>{1, 0}, DType::kBF16)};
  for (const std::string_view kernel : accepting_kernels("linear", {}, inputs)) {
    const auto y = evaluate("linear", {}, inputs, {.kernel = kernel});
    EXPECT_THAT(y[0].floats(), ElementsAre(1)) << kernel;
    EXPECT_EQ(y[0].dtype, DType::kF32);
  }
}

TEST(Linear, GivesZerosWhereThereIsNothingToSum) {
  std::vector<HostTensor> inputs = {HostTensor(DType::kF32, {2, 0}),
                                    HostTensor(DType::kF32, {3, 0})};
  for (const std::string_view kernel : accepting_kernels("linear", {}, inputs)) {
    const auto y = evaluate("linear", {}, inputs, {.kernel = kernel});
    EXPECT_THAT(y[0].floats(), ElementsAre(0, 0, 0, 0, 0, 0)) << kernel;
  }
}

TEST(Linear, RunsWithOtherRowCountsAfterItWasBound) {
  ir::Node node;
  node.op = node.name = "linear";
  const std::vector<ir::TensorType> inputs = {{DType::kF32, {"t", 4}}, f32({1, 4})};
  const std::vector<ir::TensorType> outputs = {{DType::kF32, {"t", 1}}};
  HostTensor w = HostTensor::from_floats({1, 4}, std::vector<float>{1, 2, 3, 4});
  const TensorView weight = w.view();
  const std::array<const TensorView*, 2> weights = {nullptr, &weight};
  std::array<bool, 2> released = {false, false};
  const ir::SymbolSizes max_sizes = {{"t", 600}};
  const auto kernel =
      bind_cpu_kernel({node, inputs, outputs, weights, released, max_sizes, nullptr});
  EXPECT_THAT(released, ElementsAre(false, true));
  w.data.assign(w.data.size(), std::byte{0xff});  // the kernel has its own copy
  for (const int64_t rows : {600, 1, 3, 0, 513}) {
    HostTensor x =
        HostTensor::from_floats({rows, 4}, std::vector<float>(static_cast<size_t>(rows * 4), 0.5F));
    HostTensor y(DType::kF32, {rows, 1});
    kernel->run(std::vector<TensorView>{x.view(), weight}, std::vector<TensorView>{y.view()});
    EXPECT_EQ(y.floats(), std::vector<float>(static_cast<size_t>(rows), 5.0F)) << rows;
  }
}

TEST(Linear, RefusesOtherInnerSizes) {
  const std::vector<ir::TensorType> inputs = {f32({5, 12}), f32({7, 11})};
  const ir::Attributes none;
  EXPECT_THROW(static_cast<void>(infer_types({"linear", none, inputs})), Error);
}

}  // namespace
}  // namespace partita::ops
