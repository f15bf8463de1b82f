// SPDX-License-Identifier: Apache-2.0
// attention: what is written to the cache, causality, groups of heads, pieces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/attention/inputs.h"
#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

using enum attention::Input;

// One sequence of two blocks of two positions (cache blocks 2 and 0), one head of one element.
std::vector<HostTensor> one_head(std::vector<float> q,
                                 std::vector<float> k,
                                 std::vector<float> v,
                                 std::vector<int64_t> positions) {
  const auto tokens = static_cast<int64_t>(q.size());
  return {HostTensor::from_floats({tokens, 1, 1}, q),
          HostTensor::from_floats({tokens, 1, 1}, k),
          HostTensor::from_floats({tokens, 1, 1}, v),
          HostTensor(DType::kF32, {1, 3, 1, 2}),
          HostTensor(DType::kF32, {1, 3, 2, 1}),
          HostTensor::from_integers({tokens}, positions),
          HostTensor(DType::kI32, {tokens}),
          HostTensor::from_integers({1, 2}, std::vector<int64_t>{2, 0})};
}

const ir::Attributes kUnitScale = attributes({{"scale", 1.0}});

TEST(Attention, AttendsOnlyToThePast) {
  // Keys 0 give equal weights: the output is the mean of the values so far.
  auto inputs = one_head({1, 1, 1}, {0, 0, 0}, {3, 5, 10}, {0, 1, 2});
  for (const std::string_view kernel : usable_kernels_of("attention")) {
    const auto o = evaluate("attention", kUnitScale, inputs, {.kernel = kernel});
    EXPECT_THAT(o[0].floats(), ElementsAre(3, 4, 6)) << kernel;
  }
}

TEST(Attention, WeighsByTheSoftmaxOfScaledScores) {
  // Scores of token 1: 2 * 0.5 * (0, ln 3) = (0, ln 3), so weights 1/4 and 3/4 of the values 8
  // and 4.
  auto inputs = one_head({0, 2}, {0, std::log(3.0F)}, {8, 4}, {0, 1});
  for (const std::string_view kernel : usable_kernels_of("attention")) {
    const auto o = evaluate("attention", attributes({{"scale", 0.5}}), inputs, {.kernel = kernel});
    EXPECT_THAT(o[0].floats(), Pointwise(FloatNear(1e-6F), std::vector<float>{8, 5}));
  }
}

TEST(Attention, WritesKeysAndValuesWhereTheTableSays) {
  // Positions 1 and 2 are the last row of block 2 and the first of block 0.
  auto inputs = one_head({1, 1}, {7, 8}, {70, 80}, {1, 2});
  static_cast<void>(evaluate("attention", kUnitScale, inputs));
  EXPECT_THAT(inputs[kKeyCache].floats(), ElementsAre(8, 0, 0, 0, 0, 7));
  EXPECT_THAT(inputs[kValueCache].floats(), ElementsAre(80, 0, 0, 0, 0, 70));
}

TEST(Attention, ReadsEarlierStepsFromTheCache) {
  auto first = one_head({1, 1}, {0, 0}, {3, 5}, {0, 1});
  static_cast<void>(evaluate("attention", kUnitScale, first));
  auto next = one_head({1}, {0}, {10}, {2});
  next[kKeyCache] = first[kKeyCache];
  next[kValueCache] = first[kValueCache];
  EXPECT_THAT(evaluate("attention", kUnitScale, next)[0].floats(), ElementsAre(6));
}

TEST(Attention, GivesTheSameInChunksAsAtOnce) {
  const OpSample sample = find_op("attention").samples().front();
  std::vector<HostTensor> all = random_inputs(sample, 3);
  std::vector<HostTensor> state = all;
  const auto whole = evaluate("attention", sample.attributes, all)[0].floats();
  // Each token as a step of its own, in order.
  std::vector<float> stepwise;
  for (int64_t token = 0; token < 9; ++token) {
    std::vector<HostTensor> step = state;
    for (const size_t i : {kQuery, kKey, kValue, kPositions, kSequenceIds}) {
      std::vector<HostTensor> source = {state[i]};
      step[i] =
          evaluate("slice", attributes({{"dim", int64_t{0}}, {"begin", token}, {"end", token + 1}}),
                   source)[0];
    }
    const auto o = evaluate("attention", sample.attributes, step)[0].floats();
    stepwise.insert(stepwise.end(), o.begin(), o.end());
    for (const size_t i : {kKeyCache, kValueCache}) state[i] = step[i];
  }
  EXPECT_EQ(stepwise, whole);
}

// Cuts [begin, end) out of dim `dim` of each listed input.
void cut(std::vector<HostTensor>& inputs,
         std::initializer_list<size_t> which,
         int64_t dim,
         Range range) {
  for (const size_t i : which) {
    std::vector<HostTensor> source = {inputs[i]};
    inputs[i] = evaluate(
        "slice", attributes({{"dim", dim}, {"begin", range.begin}, {"end", range.end}}), source)[0];
  }
}

TEST(Attention, OfAPieceThatSpansGroupsEqualsThoseHeads) {
  // 6 heads on 2 KV heads; the piece has the heads 2..4, which need both KV heads: phase 2 in its
  // first group.
  const OpSample sample = find_op("attention").samples().front();
  std::vector<HostTensor> whole = random_inputs(sample, 5);
  std::vector<HostTensor> piece = whole;
  std::vector<HostTensor> o = evaluate("attention", sample.attributes, whole);
  cut(o, {0}, 1, {2, 5});
  cut(piece, {kQuery}, 1, {2, 5});
  ir::Attributes local = sample.attributes;
  local.set("h_phase", int64_t{2});
  EXPECT_EQ(evaluate("attention", local, piece)[0], o[0]);
}

TEST(Attention, RefusesHeadsThatAreNoMultipleWithoutAGroup) {
  const OpSample sample = find_op("attention").samples().front();
  std::vector<ir::TensorType> inputs = sample.inputs;
  inputs[kQuery].dims[1] = 5;
  const ir::Attributes none;
  EXPECT_THROW(static_cast<void>(infer_types({"attention", none, inputs})), Error);
}

TEST(Attention, RefusesAPieceWithTooFewKvHeads) {
  const OpSample sample = find_op("attention").samples().front();
  std::vector<ir::TensorType> inputs = sample.inputs;
  inputs[kQuery].dims[1] = 7;  // groups of 3 on 2 KV heads end at 6
  EXPECT_THROW(static_cast<void>(infer_types({"attention", sample.attributes, inputs})), Error);
}

}  // namespace
}  // namespace partita::ops
