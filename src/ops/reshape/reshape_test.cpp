// SPDX-License-Identifier: Apache-2.0
// reshape: derived factors, inferred dims, refused shapes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

struct ReshapeCase {
  std::vector<ir::Dim> from;
  std::vector<int64_t> shape;
  std::string type;
  std::string notation;
};

class Reshape : public ::testing::TestWithParam<ReshapeCase> {};

TEST_P(Reshape, DerivesFactorsFromTheSizes) {
  const std::vector<ir::TensorType> inputs = {{DType::kF32, GetParam().from}};
  const ir::Attributes shape = attributes({{"shape", GetParam().shape}});
  const OpCall call{"reshape", shape, inputs};
  EXPECT_EQ(ir::to_string(infer_types(call)[0]), GetParam().type);
  EXPECT_EQ(spec::to_string(find_op("reshape").bind(call)), GetParam().notation);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes,
    Reshape,
    ::testing::Values(
        ReshapeCase{{"t", 12},
                    {0, -1, 4},
                    "f32[t,3,4]",
                    "[d0,d1,d2] <- [d0,(d1 d2)]; d0,d1,d2 map; linear 0"},
        ReshapeCase{{"t", 3, 4},
                    {0, -1},
                    "f32[t,12]",
                    "[d0,(d1 d2)] <- [d0,d1,d2]; d0,d1,d2 map; linear 0"},
        ReshapeCase{{"t", 3, 4},
                    {-1, 12},
                    "f32[t,12]",
                    "[d0,(d1 d2)] <- [d0,d1,d2]; d0,d1,d2 map; linear 0"},
        // The cuts of both sides at 2, 4 and 24 elements nest.
        ReshapeCase{
            {4, 6}, {2, 12}, "f32[2,12]", "[d0,(d1 d2)] <- [(d0 d1),d2]; d0,d1,d2 map; linear 0"},
        ReshapeCase{{2, 6}, {3, 4}, "f32[3,4]", "[y0,y1] <- [x0,x1]; x0,x1,y0,y1 whole; linear 0"},
        ReshapeCase{
            {5, 1, 7}, {5, 7, 1}, "f32[5,7,1]", "[d0,d1,1] <- [d0,1,d1]; d0,d1 map; linear 0"},
        ReshapeCase{{"t", int64_t{0}},
                    {0, -1, 4},
                    "f32[t,0,4]",
                    "[t,y1,y2] <- [x0,x1]; x0,x1,t,y1,y2 whole; linear 0"}));

TEST(ReshapeBad, RefusesOtherElementCountsAndMergedSymbols) {
  const auto infer = [](std::vector<ir::Dim> from, std::vector<int64_t> to) {
    const std::vector<ir::TensorType> inputs = {{DType::kF32, std::move(from)}};
    const ir::Attributes shape = attributes({{"shape", std::move(to)}});
    static_cast<void>(infer_types({"reshape", shape, inputs}));
  };
  EXPECT_THROW(infer({5, 7}, {5, 8}), Error);
  EXPECT_THROW(infer({5, 7}, {-1, 4}), Error);
  EXPECT_THROW(infer({5, 7}, {-1, -1}), Error);
  EXPECT_THROW(infer({5, 7}, {35, 1, 0}), Error);
  EXPECT_THROW(infer({"b", "s", 4}, {-1, 4}), Error);
  EXPECT_THROW(infer({"t", 4}, {4, -1}), Error);
  EXPECT_THROW(infer({"t", 4}, {-1, 2}), Error);
}

TEST(ReshapeKernel, KeepsElementsInOrder) {
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({2, 3}, std::vector<float>{0, 1, 2, 3, 4, 5})};
  const auto y = evaluate("reshape", attributes({{"shape", std::vector<int64_t>{3, -1}}}), inputs);
  EXPECT_EQ(y[0].shape, (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(y[0].floats(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

}  // namespace
}  // namespace partita::ops
