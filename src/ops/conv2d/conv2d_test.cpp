// SPDX-License-Identifier: Apache-2.0
// conv2d: values of PyTorch, groups, what may be split, refused calls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "spec/strategy.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;
using List = std::vector<int64_t>;

// 0, 1, 2, ... modulo `modulo`, less `offset`.
HostTensor counted(List shape, int modulo, int offset) {
  HostTensor tensor(DType::kF32, std::move(shape));
  std::vector<float> values;
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    values.push_back(static_cast<float>(i % modulo - offset));
  }
  return HostTensor::from_floats(tensor.shape, values);
}

HostTensor conv2d(HostTensor x, HostTensor w, const ir::Attributes& given = {}) {
  std::vector<HostTensor> inputs = {std::move(x), std::move(w)};
  return evaluate("conv2d", given, inputs)[0];
}

TEST(Conv2d, SumsOverChannelsAndTheWindow) {
  const HostTensor y = conv2d(counted({1, 2, 3, 3}, 100, 0), counted({3, 2, 2, 2}, 100, 4));
  EXPECT_THAT(y.shape, ElementsAre(1, 3, 2, 2));
  EXPECT_THAT(y.floats(), ElementsAre(60, 56, 48, 44, 476, 536, 656, 716, 892, 1016, 1264, 1388));
}

// PyTorch on the image padded by one column on the left and two rows below.
TEST(Conv2d, TakesStridesDilationsUnevenPaddingAndGroups) {
  const auto given = attributes(
      {{"strides", List{1, 2}}, {"dilations", List{2, 1}}, {"padding", List{0, 1, 2, 0}}});
  const HostTensor y = conv2d(counted({2, 4, 3, 4}, 7, 3), counted({4, 2, 2, 3}, 5, 2), given);
  EXPECT_THAT(y.shape, ElementsAre(2, 4, 3, 2));
  EXPECT_THAT(y.floats(), ElementsAre(1, -4, -1, -5, -1, 4, -10, 4, 3, -5, 8, -3, 4, -8, 6, -5, -3,
                                      0, -6, 4, 6, -5, 1, 0, -10, 13, -1, -2, 6, 0, 1, 10, 0, 5, -9,
                                      0, 5, 6, -4, -8, 1, -3, -6, -2, 2, -1, -3, 4));
}

TEST(Conv2d, OfNoChannelsIsZero) {
  const HostTensor y =
      conv2d(HostTensor(DType::kF32, {1, 0, 2, 2}), HostTensor(DType::kF32, {2, 0, 1, 1}));
  EXPECT_THAT(y.floats(), ElementsAre(0, 0, 0, 0, 0, 0, 0, 0));
}

std::string notation(std::initializer_list<int64_t> x, std::initializer_list<int64_t> w) {
  const std::vector<ir::TensorType> inputs = {f32(x), f32(w)};
  const ir::Attributes none;
  return spec::to_string(find_op("conv2d").bind({"conv2d", none, inputs}));
}

TEST(Conv2d, GroupsAreSplitOnlyAsAWhole) {
  EXPECT_EQ(notation({2, 6, 5, 5}, {8, 6, 3, 3}),
            "[n,o,p,q] <- [n,c,h,w], [o,c,r,s]; n,o map; c sum; h,w,r,s,p,q whole; linear 0 | 1");
  EXPECT_EQ(notation({2, 6, 5, 5}, {8, 3, 3, 3}),
            "[n,(g o),p,q] <- [n,(g c),h,w], [(g o),c,r,s]; n,g,o map; c sum; h,w,r,s,p,q whole; "
            "linear 0 | 1");
}

TEST(Conv2d, CostsTwoFlopsPerProduct) {
  const std::vector<ir::TensorType> inputs = {f32({2, 6, 5, 5}), f32({8, 3, 3, 3})};
  const ir::Attributes none;
  EXPECT_EQ(flops_of({"conv2d", none, inputs}, {}), 2 * (2 * 8 * 3 * 3) * (3 * 3 * 3));
}

void infer(std::vector<ir::TensorType> inputs, const ir::Attributes& given = {}) {
  static_cast<void>(infer_types({"conv2d", given, inputs}));
}

TEST(Conv2d, RefusesBadCalls) {
  const auto x = f32({2, 6, 5, 5});
  EXPECT_NO_THROW(infer({x, f32({8, 6, 3, 3})}));
  EXPECT_THROW(infer({x, f32({8, 4, 3, 3})}), Error);
  EXPECT_THROW(infer({x, f32({7, 3, 3, 3})}), Error);
  EXPECT_THROW(infer({x, f32({8, 0, 3, 3})}), Error);
  EXPECT_THROW(infer({x, f32({8, 6, 6, 3})}), Error);
  EXPECT_THROW(infer({x, f32({8, 6, 0, 3})}), Error);
  EXPECT_THROW(infer({x, f32({8, 6, 3})}), Error);
  EXPECT_THROW(infer({x, f32({8, 6, 3, 3})}, attributes({{"strides", List{0, 1}}})), Error);
  EXPECT_THROW(infer({x, f32({8, 6, 3, 3})}, attributes({{"strides", List{1}}})), Error);
  EXPECT_THROW(infer({x, f32({8, 6, 3, 3})}, attributes({{"padding", List{0, 0, -1, 0}}})), Error);
  EXPECT_THROW(
      infer({x, f32({8, 6, 3, 3})}, attributes({{"padding", List{0, 0, 0, int64_t{1} << 62}}})),
      Error);
  EXPECT_THROW(infer({{DType::kF32, {2, 6, "h", 5}}, f32({8, 6, 3, 3})}), Error);
  EXPECT_NO_THROW(infer({{DType::kF32, {"n", 6, 5, 5}}, f32({8, 6, 3, 3})}));
}

}  // namespace
}  // namespace partita::ops
