// SPDX-License-Identifier: Apache-2.0
// Attention that rotates queries and keys itself: the bits of rope and attention one after the
// other, in what it gives and in what it leaves in the caches.
#include <gtest/gtest.h>
#include <omp.h>

#include <array>
#include <string>

#include "ops/attention/inputs.h"
#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using enum attention::Input;

struct Shape {
  int64_t tokens;  // of a sequence that begins at position 21; one of another follows
  int64_t heads;
  int64_t kv_heads;
  int64_t head_dim;
  int64_t block_size;
  DType cache = DType::kF32;
  ir::Attributes group = {};
};

OpSample step_of(const Shape& shape) {
  const int64_t tokens = shape.tokens + 1;
  const int64_t blocks = (21 + shape.tokens) / shape.block_size + 1;
  OpSample sample;
  sample.attributes = shape.group;
  sample.inputs = {f32({tokens, shape.heads, shape.head_dim}),
                   f32({tokens, shape.kv_heads, shape.head_dim}),
                   f32({tokens, shape.kv_heads, shape.head_dim}),
                   {shape.cache, {shape.kv_heads, 2 * blocks, shape.head_dim, shape.block_size}},
                   {shape.cache, {shape.kv_heads, 2 * blocks, shape.block_size, shape.head_dim}},
                   i32({tokens}),
                   i32({tokens}),
                   i32({2, blocks})};
  sample.integer_below.assign(8, 0);
  sample.integer_values.resize(8);
  for (int64_t token = 0; token < tokens; ++token) {
    const bool is_last = token == shape.tokens;
    sample.integer_values[kPositions].push_back(is_last ? 5 : 21 + token);
    sample.integer_values[6].push_back(is_last ? 1 : 0);
  }
  for (int64_t block = 0; block < 2 * blocks; ++block) {
    sample.integer_values[7].push_back(2 * blocks - 1 - block);
  }
  return sample;
}

std::vector<ir::Attributes> rotations(int64_t head_dim) {
  return {attributes({{"theta", 10000.0}}),
          attributes({{"theta", 500.0}, {"rope_type", std::string("linear")}, {"factor", 4.0}}),
          attributes({{"theta", 500.0},
                      {"rope_type", std::string("llama3")},
                      {"factor", 8.0},
                      {"low_freq_factor", 1.0},
                      {"high_freq_factor", 4.0},
                      {"original_max_position", int64_t{64}}}),
          attributes({{"theta", 100.0}, {"rotary_dim", head_dim / 4 * 2}})};
}

std::vector<HostTensor> one_by_one(std::vector<HostTensor>& inputs,
                                   const ir::Attributes& group,
                                   const ir::Attributes& rotation,
                                   std::string_view kernel) {
  for (const size_t input : {kQuery, kKey}) {
    std::vector<HostTensor> heads = {inputs[input], inputs[kPositions]};
    inputs[input] = evaluate("rope", rotation, heads, {.kernel = kernel})[0];
  }
  return evaluate("attention", group, inputs, {.kernel = kernel});
}

void expect_same_bits(const Shape& shape) {
  const std::vector<HostTensor> given = random_inputs(step_of(shape), 8);
  for (const ir::Attributes& rotation : rotations(shape.head_dim)) {
    ir::Attributes all = shape.group;
    for (const auto& [name, value] : rotation.values()) all.set(name, value);
    for (const std::string_view kernel : usable_kernels_of("attention")) {
      const std::string what =
          str(kernel, " of ", shape.tokens, " tokens, ", shape.heads, " heads of ", shape.head_dim);
      std::vector<HostTensor> inputs = given;
      std::vector<HostTensor> rotated = given;
      EXPECT_EQ(evaluate("attention", all, inputs, {.kernel = kernel}),
                one_by_one(rotated, shape.group, rotation, kernel))
          << what;
      EXPECT_TRUE(inputs[kKeyCache] == rotated[kKeyCache]) << what;
      EXPECT_TRUE(inputs[kValueCache] == rotated[kValueCache]) << what;
      EXPECT_TRUE(inputs[kQuery] == given[kQuery] && inputs[kKey] == given[kKey]) << what;
    }
  }
}

TEST(RotatedAttention, HasTheBitsOfRopeAndAttention) {
  for (const int64_t tokens : {0, 1, 40, 150}) {
    expect_same_bits({tokens, 6, 2, 64, 16});
    expect_same_bits({tokens, 3, 3, 20, 5});
    expect_same_bits({tokens, 4, 1, 36, 48, DType::kBF16});
  }
}

TEST(RotatedAttention, OfPiecesWithinGroupsOfHeads) {
  const auto piece = [](int64_t group, int64_t phase) {
    return attributes({{"group", group}, {"h_phase", phase}});
  };
  expect_same_bits({30, 5, 3, 32, 16, DType::kF32, piece(3, 2)});
  expect_same_bits({30, 1, 1, 32, 16, DType::kF32, piece(4, 3)});
}

TEST(RotatedAttention, GivesTheSameBitsForEveryNumberOfThreads) {
  const OpSample sample = step_of({300, 8, 4, 64, 16});
  const ir::Attributes rotation = attributes({{"theta", 10000.0}});
  std::vector<std::vector<HostTensor>> results;
  for (const int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    std::vector<HostTensor> inputs = random_inputs(sample, 9);
    results.push_back(evaluate("attention", rotation, inputs));
    results.back().push_back(inputs[kKeyCache]);
  }
  omp_set_num_threads(omp_get_num_procs());
  EXPECT_TRUE(results[0] == results[1] && results[0] == results[2]);
}

TEST(RotatedAttention, RefusesWhatRopeRefuses) {
  const OpSample sample = step_of({3, 2, 2, 8, 16});
  for (const ir::Attributes& wrong :
       {attributes({{"theta", -1.0}}), attributes({{"theta", 1.0}, {"rotary_dim", int64_t{3}}}),
        attributes({{"theta", 1.0}, {"rope_type", std::string("yarn")}})}) {
    EXPECT_THROW(static_cast<void>(infer_types({"attention", wrong, sample.inputs})), Error);
  }
}

}  // namespace
}  // namespace partita::ops
