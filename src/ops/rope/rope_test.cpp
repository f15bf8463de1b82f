// SPDX-License-Identifier: Apache-2.0
// rope against values of transformers 5.23 (LlamaRotaryEmbedding and apply_rotary_pos_emb).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::FloatNear;
using ::testing::Pointwise;

// One token with one head [0.1, 0.2, ..., 0.8].
std::vector<float> rotate(const ir::Attributes& attributes, int64_t position) {
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({1, 1, 8},
                              std::vector<float>{.1F, .2F, .3F, .4F, .5F, .6F, .7F, .8F}),
      HostTensor::from_integers({1}, std::vector<int64_t>{position})};
  return evaluate("rope", attributes, inputs)[0].floats();
}

TEST(Rope, DefaultEqualsTransformers) {
  const std::vector<float> expected = {0.39831048F, 0.14828172F,  0.0265674F,  0.37013298F,
                                       0.31835321F, -0.61482728F, 0.76111376F, 0.8142491F};
  EXPECT_THAT(rotate(attributes({{"theta", 10000.0}}), 37), Pointwise(FloatNear(1e-6F), expected));
}

TEST(Rope, LinearEqualsTransformers) {
  const std::vector<float> expected = {-0.18542126F, -0.35880554F, 0.2340598F,  0.39258301F,
                                       -0.47499365F, 0.52082491F,  0.72471786F, 0.80366576F};
  const auto linear = attributes({{"theta", 10000.0}, {"rope_type", "linear"}, {"factor", 4.0}});
  EXPECT_THAT(rotate(linear, 37), Pointwise(FloatNear(1e-6F), expected));
}

TEST(Rope, Llama3EqualsTransformers) {
  const std::vector<float> expected = {0.33941472F, 0.0095711946F, -0.11691409F, 0.30285415F,
                                       0.38052288F, -0.63238311F,  0.75254965F,  0.84159338F};
  const auto llama3 = attributes({{"theta", 500.0},
                                  {"rope_type", "llama3"},
                                  {"factor", 8.0},
                                  {"low_freq_factor", 1.0},
                                  {"high_freq_factor", 4.0},
                                  {"original_max_position", int64_t{64}}});
  EXPECT_THAT(rotate(llama3, 100), Pointwise(FloatNear(2e-6F), expected));
}

TEST(Rope, LeavesElementsBeyondTheRotaryDim) {
  const auto y = rotate(attributes({{"theta", 10000.0}, {"rotary_dim", int64_t{4}}}), 5);
  EXPECT_EQ(std::vector<float>(y.begin() + 4, y.end()), (std::vector<float>{.5F, .6F, .7F, .8F}));
  EXPECT_NE(y[0], .1F);
}

TEST(Rope, OfPositionZeroChangesNothing) {
  const auto y = rotate(attributes({{"theta", 10000.0}}), 0);
  EXPECT_EQ(y, (std::vector<float>{.1F, .2F, .3F, .4F, .5F, .6F, .7F, .8F}));
}

TEST(Rope, RefusesAnOddRotaryDim) {
  EXPECT_THROW(
      static_cast<void>(rotate(attributes({{"theta", 1.0}, {"rotary_dim", int64_t{3}}}), 0)),
      Error);
}

TEST(Rope, RefusesAnUnknownType) {
  EXPECT_THROW(static_cast<void>(rotate(attributes({{"theta", 1.0}, {"rope_type", "yarn"}}), 0)),
               Error);
}

}  // namespace
}  // namespace partita::ops
