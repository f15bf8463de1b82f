// SPDX-License-Identifier: Apache-2.0
// Poolings: values of PyTorch, refused calls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;
using List = std::vector<int64_t>;

std::vector<float> pool(std::string_view op, List strides, List padding, int64_t count = 0) {
  std::vector<HostTensor> inputs = {HostTensor::from_floats(
      {1, 1, 3, 4}, std::vector<float>{1, -2, 3, 0, 4, 5, -6, 7, -8, 9, 2, 1})};
  const auto given = attributes({{"kernel", List{2, 2}},
                                 {"strides", std::move(strides)},
                                 {"padding", std::move(padding)},
                                 {"count_padding", count}});
  return evaluate(op, given, inputs)[0].floats();
}

TEST(MaxPool2d, IgnoresThePadding) {
  EXPECT_THAT(pool("max_pool2d", {2, 2}, {1, 1, 1, 1}), ElementsAre(1, 3, 0, 4, 9, 7));
}

TEST(AvgPool2d, TakesStrides) {
  EXPECT_THAT(pool("avg_pool2d", {1, 2}, {0, 0, 0, 0}), ElementsAre(2, 1, 2.5F, 1));
}

TEST(AvgPool2d, CountsThePaddingOnlyWhenAsked) {
  EXPECT_THAT(pool("avg_pool2d", {2, 2}, {1, 1, 1, 1}), ElementsAre(1, 0.5F, 0, -2, 2.5F, 4));
  EXPECT_THAT(pool("avg_pool2d", {2, 2}, {1, 1, 1, 1}, 1),
              ElementsAre(0.25F, 0.25F, 0, -1, 2.5F, 2));
}

TEST(Pool2d, RefusesBadCalls) {
  const auto infer = [](ir::TensorType x, const ir::Attributes& given) {
    const std::vector<ir::TensorType> inputs = {std::move(x)};
    static_cast<void>(infer_types({"max_pool2d", given, inputs}));
  };
  const auto kernel = attributes({{"kernel", List{2, 2}}});
  EXPECT_NO_THROW(infer(f32({1, 2, 3, 4}), kernel));
  EXPECT_THROW(infer(f32({1, 2, 3}), kernel), Error);
  EXPECT_THROW(infer(f32({1, 2, 0, 4}), kernel), Error);
  EXPECT_THROW(infer(f32({1, 2, 1, 4}), kernel), Error);
  EXPECT_THROW(infer(f32({1, 2, 3, 4}), {}), Error);
  EXPECT_THROW(infer(f32({1, 2, 3, 4}), attributes({{"kernel", List{2}}})), Error);
  EXPECT_THROW(
      infer(f32({1, 2, 3, 4}), attributes({{"kernel", List{2, 2}}, {"padding", List{2, 0, 0, 0}}})),
      Error);
  EXPECT_THROW(
      infer(f32({1, 2, 3, 4}), attributes({{"kernel", List{2, 2}}, {"dilations", List{2, 2}}})),
      Error);
}

}  // namespace
}  // namespace partita::ops
