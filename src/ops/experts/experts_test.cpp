// SPDX-License-Identifier: Apache-2.0
// experts: values by hand, what is skipped, what is counted, what is released.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

ir::Attributes top(int64_t top_k, const std::string& activation = "relu") {
  return attributes({{"top_k", top_k}, {"activation", activation}});
}

HostTensor floats(std::vector<int64_t> shape, const std::vector<float>& values) {
  return HostTensor::from_floats(std::move(shape), values);
}

TEST(Experts, AddsTheWeightedOutputsOfTheChosenOnes) {
  // x = (1, 2). Expert 0: gate 3, up 2 -> h = 6, down (1, -1) -> (6, -6). Expert 1: gate -1 -> 0.
  // Expert 2: gate 2, up -1 -> h = -2, down (2, 0) -> (-4, 0).
  std::vector<HostTensor> inputs = {floats({1, 2}, {1, 2}), floats({1, 3}, {0.5, 0.25, 2}),
                                    floats({3, 1, 2}, {1, 1, 1, -1, 0, 1}),
                                    floats({3, 1, 2}, {0, 1, 1, 1, 1, -1}),
                                    floats({3, 2, 1}, {1, -1, 5, 5, 2, 0})};
  for (const std::string_view kernel : accepting_kernels("experts", top(2), inputs)) {
    const auto y = evaluate("experts", top(2), inputs, {.kernel = kernel});
    EXPECT_THAT(y[0].floats(), ElementsAre(3 - 8, -3)) << kernel;
  }
}

TEST(Experts, OnesWithoutTokensAreNotRead) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<HostTensor> inputs = {floats({2, 1}, {1, 2}), floats({2, 2}, {0, 1, 0, 1}),
                                    floats({2, 1, 1}, {nan, 1}), floats({2, 1, 1}, {nan, 1}),
                                    floats({2, 1, 1}, {nan, 1})};
  for (const std::string_view kernel : accepting_kernels("experts", top(1), inputs)) {
    const auto y = evaluate("experts", top(1), inputs, {.kernel = kernel});
    EXPECT_THAT(y[0].floats(), ElementsAre(1, 4)) << kernel;
  }
}

// Tokens with a few zeros and ones, so that experts get different numbers of tokens.
OpSample routed_sample(int64_t tokens, int64_t experts, DType weights) {
  OpSample sample = find_op("experts").samples().front();
  sample.attributes = top(2, "silu");
  sample.inputs = {f32({tokens, 33}), f32({tokens, experts}), f32({experts, 41, 33}),
                   f32({experts, 41, 33}), f32({experts, 29, 41})};
  for (size_t i = 2; i < 5; ++i) sample.inputs[i].dtype = weights;
  return sample;
}

TEST(Experts, GroupsOfAllSizesEqualTheReference) {
  for (const int64_t tokens : {1, 3, 40, 1100}) {
    for (const DType weights : {DType::kF32, DType::kBF16}) {
      const OpSample sample = routed_sample(tokens, 3, weights);
      std::vector<HostTensor> inputs = random_inputs(sample, 5);
      auto* routing = reinterpret_cast<float*>(inputs[1].data.data());
      for (int64_t token = 0; token < tokens; ++token) {
        routing[token * 3 + token % 3] = 0;         // expert 2 gets all tokens but every third, and
        if (token > 1) routing[token * 3 + 1] = 0;  // expert 1 one or none
      }
      std::vector<HostTensor> same = inputs;
      const auto expected =
          evaluate("experts", sample.attributes, same, {.kernel = "reference"})[0].floats();
      for (const bool is_weight_given : {false, true}) {
        const auto y = evaluate("experts", sample.attributes, inputs,
                                {.kernel = {}, .is_weight_given = is_weight_given})[0]
                           .floats();
        ASSERT_EQ(y.size(), expected.size());
        for (size_t i = 0; i < y.size(); ++i) {
          // bf16 rounds the inner values, and a value beside a border may fall to either side.
          const double tolerance = weights == DType::kBF16 ? 2e-2 : 2e-4;
          ASSERT_NEAR(y[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << tokens;
        }
      }
    }
  }
}

// Activations are rounded to 8 bits in blocks of 32, twice: by some thousandths of the result's
// size.
TEST(Experts, GroupsWithWeightsInBlocksAreCloseToTheReference) {
  for (const DType weights : {DType::kQ8_0, DType::kQ4_0}) {
    for (const int64_t tokens : {1, 3, 40}) {
      OpSample sample = routed_sample(tokens, 3, weights);
      sample.inputs[0] = f32({tokens, 64});
      sample.inputs[2].dims = sample.inputs[3].dims = f32({3, 96, 64}).dims;
      sample.inputs[4].dims = f32({3, 70, 96}).dims;
      std::vector<HostTensor> inputs = random_inputs(sample, 6);
      auto* routing = reinterpret_cast<float*>(inputs[1].data.data());
      for (int64_t token = 0; token < tokens; ++token) routing[token * 3 + token % 3] = 0;
      std::vector<HostTensor> same = inputs;
      const auto expected =
          evaluate("experts", sample.attributes, same, {.kernel = "reference"})[0].floats();
      float scale = 0;
      for (const float value : expected) scale = std::max(scale, std::abs(value));
      for (const bool is_weight_given : {false, true}) {
        const auto y = evaluate("experts", sample.attributes, inputs,
                                {.kernel = "grouped", .is_weight_given = is_weight_given})[0]
                           .floats();
        ASSERT_EQ(y.size(), expected.size());
        for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 0.02F * scale);
      }
    }
  }
}

// The piece of a rank that holds experts 1 and 2 of three.
TEST(Experts, APieceTakesItsColumnsOfTheRouting) {
  std::vector<HostTensor> inputs = {floats({1, 1}, {1}), floats({1, 3}, {100, 2, 3}),
                                    floats({2, 1, 1}, {1, 1}), floats({2, 1, 1}, {1, 10}),
                                    floats({2, 1, 1}, {1, 1})};
  ir::Attributes piece = top(2);
  piece.set("e_begin", int64_t{1});
  for (const std::string_view kernel : accepting_kernels("experts", piece, inputs)) {
    const auto y = evaluate("experts", piece, inputs, {.kernel = kernel});
    EXPECT_THAT(y[0].floats(), ElementsAre(2 + 30)) << kernel;
  }
}

TEST(Experts, NothingToAddGivesZeros) {
  for (const auto& [experts, inner] : {std::pair<int64_t, int64_t>{0, 4}, {2, 0}}) {
    std::vector<HostTensor> inputs = {floats({1, 3}, {1, 2, 3}), HostTensor(DType::kF32, {1, 2}),
                                      HostTensor(DType::kF32, {experts, inner, 3}),
                                      HostTensor(DType::kF32, {experts, inner, 3}),
                                      HostTensor(DType::kF32, {experts, 2, inner})};
    for (const std::string_view kernel : accepting_kernels("experts", top(1), inputs)) {
      const auto y = evaluate("experts", top(1), inputs, {.kernel = kernel});
      EXPECT_THAT(y[0].floats(), ElementsAre(0, 0)) << kernel;
    }
  }
}

struct Load {
  double pairs, rows;
};

double bytes_for(int64_t tokens, int64_t held, int64_t inner) {
  const std::vector<ir::TensorType> inputs = {f32({tokens, 1}), f32({tokens, 8}),
                                              f32({held, inner, 100}), f32({held, inner, 100}),
                                              f32({held, 100, inner})};
  const ir::Attributes call = top(2);
  return bytes_of({"experts", call, inputs}, {});
}

TEST(Experts, CostsFollowTheExpertsInUse) {
  const double one = 3 * 100 * 1000 * 4;              // the weights of one expert
  EXPECT_NEAR(bytes_for(1, 8, 1000) / one, 2, 0.01);  // a token uses two of eight
  // Three tokens each leave an expert out with probability 3/4.
  EXPECT_NEAR(bytes_for(3, 8, 1000) / one, 8 * (1 - std::pow(0.75, 3)), 0.01);
  EXPECT_NEAR(bytes_for(100, 8, 1000) / one, 8, 0.1);  // never more than there are
  EXPECT_NEAR(bytes_for(1, 1, 1000) / one, 1, 0.01);   // one of eight ranks: a whole expert
  // One of two ranks: both of the choices in 3 of 7 cases, else one of them.
  EXPECT_NEAR(bytes_for(1, 4, 1000) / one, 1 + 3.0 / 7, 0.1);
  EXPECT_NEAR(bytes_for(1, 8, 125) / one, 0.25, 0.01);  // an eighth of every expert
  EXPECT_NEAR(bytes_for(0, 8, 1000), 0, 0.01);
}

Load of_piece(int64_t tokens, int64_t held, int64_t choices) {
  const std::vector<ir::TensorType> inputs = {f32({tokens, 1}), f32({tokens, 8}), f32({held, 1, 1}),
                                              f32({held, 1, 1}), f32({held, 1, 1})};
  const ir::Attributes call = top(choices);
  const OpCall piece = {"experts", call, inputs};
  return {flops_of(piece, {}) / 10, find_op("experts").rows(piece, {})};  // 4 + 4 + 2 of a pair
}

// The mean of the busiest rank's pairs over random choices, for each number of tokens and ranks.
TEST(Experts, TheBusiestRankIsThatOfRandomChoices) {
  std::mt19937 random(1);
  std::array<int, 8> experts = {0, 1, 2, 3, 4, 5, 6, 7};
  for (const int held : {4, 2, 1}) {
    for (const int tokens : {1, 2, 8, 100}) {
      double sum = 0;
      constexpr int kTrials = 2000;
      for (int trial = 0; trial < kTrials; ++trial) {
        std::array<int, 8> pairs = {};
        for (int token = 0; token < tokens; ++token) {
          std::shuffle(experts.begin(), experts.end(), random);
          for (int choice = 0; choice < 2; ++choice) {
            ++pairs.at(static_cast<size_t>(experts.at(static_cast<size_t>(choice)) / held));
          }
        }
        sum += *std::max_element(pairs.begin(), pairs.end());
      }
      const double mean = sum / kTrials;
      EXPECT_NEAR(of_piece(tokens, held, 2).pairs, mean, 0.11 * mean) << held << " " << tokens;
    }
  }
}

TEST(Experts, CostsNeverFallWithMoreTokensOrMoreExperts) {
  for (const int64_t held : {1, 2, 4, 8}) {
    for (int64_t tokens = 0; tokens < 300; ++tokens) {
      const Load load = of_piece(tokens, held, 2);
      EXPECT_GE(load.rows, 1);
      EXPECT_LE(load.pairs, of_piece(tokens + 1, held, 2).pairs);
      EXPECT_LE(load.rows, of_piece(tokens + 1, held, 2).rows * (1 + 1e-12));
      EXPECT_LE(load.pairs, of_piece(tokens, std::min<int64_t>(8, 2 * held), 2).pairs);
      EXPECT_LE(bytes_for(tokens, held, 1000), bytes_for(tokens + 1, held, 1000));
    }
  }
}

TEST(Experts, KeepsAPackedCopyAndReleasesTheWeights) {
  ir::Node node;
  node.op = node.name = "experts";
  node.attributes = top(1);
  const std::vector<ir::TensorType> inputs = {{DType::kF32, {"t", 1}},
                                              {DType::kF32, {"t", 2}},
                                              f32({2, 1, 1}),
                                              f32({2, 1, 1}),
                                              f32({2, 1, 1})};
  const std::vector<ir::TensorType> outputs = {{DType::kF32, {"t", 1}}};
  std::vector<HostTensor> tensors = {floats({2, 1, 1}, {1, 2}), floats({2, 1, 1}, {3, 4}),
                                     floats({2, 1, 1}, {5, 6})};
  std::vector<TensorView> views;
  for (HostTensor& tensor : tensors) views.push_back(tensor.view());
  const std::array<const TensorView*, 5> weights = {nullptr, nullptr, views.data(), &views[1],
                                                    &views[2]};
  std::array<bool, 5> released = {};
  const ir::SymbolSizes max_sizes = {{"t", 600}};
  const auto kernel =
      bind_cpu_kernel({node, inputs, outputs, weights, released, max_sizes, nullptr});
  EXPECT_THAT(released, ElementsAre(false, false, true, true, true));
  for (HostTensor& tensor : tensors) tensor.data.assign(tensor.data.size(), std::byte{0xff});
  for (const int64_t rows : {1, 600, 0, 513}) {
    HostTensor x = floats({rows, 1}, std::vector<float>(static_cast<size_t>(rows), 1));
    HostTensor r = floats({rows, 2}, std::vector<float>(static_cast<size_t>(rows * 2), 1));
    HostTensor y(DType::kF32, {rows, 1});
    kernel->run(std::vector<TensorView>{x.view(), r.view(), views[0], views[1], views[2]},
                std::vector<TensorView>{y.view()});
    // 1 * 3 * 5 of expert 0 and 2 * 4 * 6 of expert 1.
    EXPECT_EQ(y.floats(), std::vector<float>(static_cast<size_t>(rows), 63.0F)) << rows;
  }
}

TEST(Experts, RefusesCallsThatDoNotFit) {
  std::vector<ir::TensorType> inputs = {f32({4, 6}), f32({4, 5}), f32({5, 7, 6}), f32({5, 7, 6}),
                                        f32({5, 6, 7})};
  const auto refused = [&](const ir::Attributes& call) {
    EXPECT_THROW(static_cast<void>(infer_types({"experts", call, inputs})), Error);
  };
  refused(top(6));           // more choices than experts
  refused(top(2, "swish"));  // no such activation
  ir::Attributes late = top(2);
  late.set("e_begin", int64_t{1});
  refused(late);  // expert 5 of 0 .. 4
  inputs[3] = f32({5, 8, 6});
  refused(top(2));  // gate and up differ
}

}  // namespace
}  // namespace partita::ops
