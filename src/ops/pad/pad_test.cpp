// SPDX-License-Identifier: Apache-2.0
// pad: borders, their value, refused calls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;
using List = std::vector<int64_t>;

HostTensor pad(HostTensor x, List before, List after, double value) {
  std::vector<HostTensor> inputs = {std::move(x)};
  return evaluate(
      "pad",
      attributes({{"before", std::move(before)}, {"after", std::move(after)}, {"value", value}}),
      inputs)[0];
}

TEST(Pad, PutsABorderAroundAMatrix) {
  const auto x = HostTensor::from_floats({2, 2}, std::vector<float>{1, 2, 3, 4});
  const HostTensor y = pad(x, {1, 0}, {0, 2}, 9);
  EXPECT_THAT(y.shape, ElementsAre(3, 4));
  EXPECT_THAT(y.floats(), ElementsAre(9, 9, 9, 9, 1, 2, 9, 9, 3, 4, 9, 9));
}

TEST(Pad, WalksInnerDims) {
  const auto x = HostTensor::from_floats({2, 1, 2}, std::vector<float>{1, 2, 3, 4});
  EXPECT_THAT(pad(x, {0, 1, 0}, {0, 0, 1}, 0).floats(),
              ElementsAre(0, 0, 0, 1, 2, 0, 0, 0, 0, 3, 4, 0));
}

TEST(Pad, OfNothingIsAllBorder) {
  EXPECT_THAT(pad(HostTensor(DType::kF32, {0}), {1}, {2}, 5).floats(), ElementsAre(5, 5, 5));
}

TEST(Pad, LeavesDimsWithoutABorderSplittableAndIsLinearForZeros) {
  const auto notation = [](double value) {
    const std::vector<ir::TensorType> inputs = {f32({5, 3, 4})};
    const auto given =
        attributes({{"before", List{1, 0, 0}}, {"after", List{0, 2, 0}}, {"value", value}});
    return spec::to_string(find_op("pad").bind({"pad", given, inputs}));
  };
  EXPECT_EQ(notation(0), "[p0,p1,d2] <- [d0,d1,d2]; d2 map; d0,d1,p0,p1 whole; linear 0");
  EXPECT_EQ(notation(1), "[p0,p1,d2] <- [d0,d1,d2]; d2 map; d0,d1,p0,p1 whole");
}

TEST(Pad, RefusesBadBorders) {
  const HostTensor x(DType::kF32, {2, 2});
  EXPECT_THROW(static_cast<void>(pad(x, {1}, {0, 0}, 0)), Error);
  EXPECT_THROW(static_cast<void>(pad(x, {1, -1}, {0, 0}, 0)), Error);
  EXPECT_THROW(static_cast<void>(pad(x, {INT64_MAX, 0}, {1, 0}, 0)), Error);
  const std::vector<ir::TensorType> symbolic = {{DType::kF32, {"t", 2}}};
  const auto infer = [&](List before) {
    const auto given = attributes({{"before", std::move(before)}, {"after", List{0, 0}}});
    static_cast<void>(infer_types({"pad", given, symbolic}));
  };
  EXPECT_NO_THROW(infer({0, 1}));
  EXPECT_THROW(infer({1, 0}), Error);
}

}  // namespace
}  // namespace partita::ops
