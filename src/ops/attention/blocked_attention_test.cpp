// SPDX-License-Identifier: Apache-2.0
// Blocked attention against the reference over shapes, types, pieces and lengths, with every level
// of instructions; the same bits for every number of threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>

#include "ops/cpu_kernel.h"
#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

constexpr std::array kCacheTypes = {DType::kF32, DType::kBF16, DType::kF16};

// Tokens of one sequence in a step: positions [begin, begin + count).
struct Chunk {
  int64_t begin = 0;
  int64_t count = 1;
};

struct Shape {
  int64_t kv_heads = 2;
  int64_t group = 3;
  int64_t head_dim = 64;
  int64_t block_size = 16;
  DType cache = DType::kF32;
  int64_t h_phase = 0;
  int64_t heads = -1;  // of the piece; -1 = all
};

ir::TensorType cache_type(const Shape& shape, int64_t blocks, bool is_key) {
  const int64_t rows = is_key ? shape.head_dim : shape.block_size;
  const int64_t columns = is_key ? shape.block_size : shape.head_dim;
  return {shape.cache, {shape.kv_heads, blocks, rows, columns}};
}

// A step of these chunks, one sequence each; the blocks of the sequences alternate in the cache,
// and its last block is used by none.
OpSample step_of(const Shape& shape, const std::vector<Chunk>& chunks) {
  int64_t most_blocks = 1;
  std::vector<int64_t> positions;
  std::vector<int64_t> sequences;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const int64_t end = chunks[i].begin + chunks[i].count;
    most_blocks = std::max(most_blocks, (end - 1) / shape.block_size + 1);
    for (int64_t position = chunks[i].begin; position < end; ++position) {
      positions.push_back(position);
      sequences.push_back(static_cast<int64_t>(i));
    }
  }
  const auto tokens = static_cast<int64_t>(positions.size());
  const auto count = static_cast<int64_t>(chunks.size());
  const int64_t blocks = count * most_blocks + 1;
  const int64_t heads = shape.heads < 0 ? shape.kv_heads * shape.group : shape.heads;
  OpSample sample;
  sample.attributes = attributes({{"group", shape.group}, {"h_phase", shape.h_phase}});
  sample.inputs = {f32({tokens, heads, shape.head_dim}),
                   f32({tokens, shape.kv_heads, shape.head_dim}),
                   f32({tokens, shape.kv_heads, shape.head_dim}),
                   cache_type(shape, blocks, true),
                   cache_type(shape, blocks, false),
                   i32({tokens}),
                   i32({tokens}),
                   i32({count, most_blocks})};
  sample.integer_below.assign(8, 0);
  sample.integer_values.resize(8);
  sample.integer_values[5] = positions;
  sample.integer_values[6] = sequences;
  for (int64_t i = 0; i < count * most_blocks; ++i) {
    sample.integer_values[7].push_back(i % most_blocks * count + i / most_blocks);
  }
  return sample;
}

std::vector<HostTensor> inputs_of(const OpSample& sample) { return random_inputs(sample, 17); }

// Output and caches after the step equal the reference's. `error`: what an output may be off beside
// the rounding of f32 sums.
void expect_like_reference(const OpSample& sample,
                           const std::string& what,
                           float error = 0,
                           const std::function<void(std::vector<HostTensor>&)>& change = {}) {
  const auto inputs_of = [&](const OpSample& one) {
    std::vector<HostTensor> inputs = random_inputs(one, 17);
    if (change) change(inputs);
    return inputs;
  };
  std::vector<HostTensor> expected_inputs = inputs_of(sample);
  const auto expected =
      evaluate("attention", sample.attributes, expected_inputs, {.kernel = "reference"})[0]
          .floats();
  for (const std::string_view kernel : usable_kernels_of("attention")) {
    std::vector<HostTensor> inputs = inputs_of(sample);
    const auto found =
        evaluate("attention", sample.attributes, inputs, {.kernel = kernel})[0].floats();
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      ASSERT_NEAR(found[i], expected[i], 2e-6 + error + 1e-5 * std::abs(expected[i]))
          << what << ", " << kernel << ", at " << i;
    }
    EXPECT_EQ(inputs[3], expected_inputs[3]) << what << ", " << kernel;
    EXPECT_EQ(inputs[4], expected_inputs[4]) << what << ", " << kernel;
  }
}

// Copies every block of the caches to where the other sample's tables say.
void move_blocks(const OpSample& from,
                 std::vector<HostTensor>& inputs,
                 const OpSample& to,
                 std::vector<HostTensor>& moved) {
  for (const size_t cache : {3, 4}) {
    const std::vector<int64_t>& shape = inputs[cache].shape;
    const int64_t bytes = size_of(inputs[cache].dtype) * shape[2] * shape[3];
    for (int64_t head = 0; head < shape[0]; ++head) {
      for (size_t i = 0; i < from.integer_values[7].size(); ++i) {
        const auto block_of = [&](const OpSample& sample) {
          return (head * shape[1] + sample.integer_values[7][i]) * bytes;
        };
        std::memcpy(moved[cache].view().as<std::byte>() + block_of(to),
                    inputs[cache].view().as<std::byte>() + block_of(from),
                    static_cast<size_t>(bytes));
      }
    }
  }
}

TEST(BlockedAttention, OfAnyHeadDim) {
  for (const int64_t head_dim : {1, 7, 16, 33, 48, 64, 80, 96, 100, 128, 160, 255, 256}) {
    expect_like_reference(step_of({.head_dim = head_dim}, {{0, 20}, {30, 1}, {5, 17}}),
                          str("head_dim ", head_dim));
  }
}

TEST(BlockedAttention, OfAnyBlockSize) {
  for (const int64_t block_size : {1, 3, 8, 16, 24, 32, 48, 64, 200}) {
    expect_like_reference(
        step_of({.head_dim = 32, .block_size = block_size}, {{0, 50}, {140, 1}, {100, 40}}),
        str("block_size ", block_size));
  }
}

TEST(BlockedAttention, OfAnyGroupAndPiece) {
  for (const int64_t group : {1, 2, 4, 5, 7, 8, 11, 12, 13, 64, 71}) {
    expect_like_reference(
        step_of({.kv_heads = 2, .group = group, .head_dim = 16}, {{0, 9}, {40, 1}}),
        str("group ", group));
  }
  // Heads 2..7 of groups of 4: the end of one group, a whole one would be next.
  for (const int64_t phase : {0, 1, 3}) {
    for (const int64_t heads : {1, 4, 5}) {
      expect_like_reference(step_of({.kv_heads = 2, .group = 4, .h_phase = phase, .heads = heads},
                                    {{3, 30}, {17, 1}}),
                            str("phase ", phase, ", heads ", heads));
    }
  }
}

TEST(BlockedAttention, OfLengthsAroundBlocksTilesAndSegments) {
  for (const int64_t length : {1, 2, 15, 16, 17, 31, 33, 127, 128, 129, 255, 257}) {
    expect_like_reference(
        step_of({.kv_heads = 1, .group = 2, .head_dim = 16}, {{0, length}, {length - 1, 1}}),
        str("length ", length));
  }
  for (const int64_t length : {1023, 1024, 1025, 2049, 3000}) {
    expect_like_reference(
        step_of({.kv_heads = 1, .group = 2, .head_dim = 16}, {{length - 1, 1}, {length - 4, 20}}),
        str("length ", length));
  }
}

TEST(BlockedAttention, OfHalfPrecisionCaches) {
  for (const DType cache : {DType::kBF16, DType::kF16}) {
    for (const int64_t head_dim : {33, 64}) {
      OpSample sample = step_of({.head_dim = head_dim, .cache = cache}, {{0, 40}, {130, 1}});
      sample.attributes.set("products", std::string("near_f32"));
      expect_like_reference(sample, str(to_string(cache), ", head_dim ", head_dim));
    }
  }
}

// Queries that are bf16 already, scaled by a power of two: only weights are rounded, by 2^-8 of
// themselves at most. They sum to 1, and no value is above 1.
TEST(BlockedAttention, BesideBf16CachesWeightsAreRoundedToBf16AtMost) {
  const auto round_queries = [](std::vector<HostTensor>& inputs) {
    for (float& query : std::span(inputs[0].view().as<float>(), inputs[0].floats().size())) {
      query = BFloat16::from_float(query).to_float();
    }
  };
  for (const int64_t group : {1, 3, 8, 13, 20}) {
    for (const int64_t length : {1, 2, 15, 17, 127, 130, 1025}) {
      OpSample sample =
          step_of({.kv_heads = 1, .group = group, .head_dim = 32, .cache = DType::kBF16},
                  {{length - 1, 1}, {0, std::min<int64_t>(length, 33)}});
      sample.attributes.set("scale", 0.25);
      expect_like_reference(sample, str("group ", group, ", length ", length), 0x1p-8F,
                            round_queries);
    }
  }
}

// Blocks of a sequence behind each other are read in another order of time, not of sums.
TEST(BlockedAttention, GivesTheSameBitsWhereverTheBlocksLie) {
  for (const DType cache : {DType::kF32, DType::kBF16, DType::kF16}) {
    const OpSample scattered = step_of({.cache = cache}, {{300, 1}, {200, 1}});
    OpSample in_order = scattered;
    std::vector<int64_t>& tables = in_order.integer_values[7];
    std::iota(tables.begin(), tables.end(), 0);
    for (const std::string_view kernel : usable_kernels_of("attention")) {
      std::vector<HostTensor> inputs = random_inputs(scattered, 17);
      std::vector<HostTensor> moved = random_inputs(in_order, 17);
      move_blocks(scattered, inputs, in_order, moved);
      EXPECT_EQ(evaluate("attention", in_order.attributes, moved, {.kernel = kernel})[0],
                evaluate("attention", scattered.attributes, inputs, {.kernel = kernel})[0])
          << kernel << ", " << to_string(cache);
    }
  }
}

// Restores the number of threads.
class Team {
 public:
  explicit Team(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~Team() { omp_set_num_threads(before_); }

 private:
  int before_;
};

void expect_same_with_any_threads(const OpSample& sample, std::string_view kernel) {
  std::vector<HostTensor> outputs;
  for (const int threads : {1, 2, 3, 5}) {
    const Team team(threads);
    std::vector<HostTensor> inputs = inputs_of(sample);
    outputs.push_back(evaluate("attention", sample.attributes, inputs, {.kernel = kernel})[0]);
    EXPECT_EQ(outputs.back(), outputs.front()) << kernel << ", " << threads << " threads";
  }
}

TEST(BlockedAttention, GivesTheSameBitsWithAnyNumberOfThreads) {
  const std::vector<std::vector<Chunk>> steps = {
      {{2900, 1}},  // keys split among threads
      {{2900, 1}, {1500, 1}},
      {{0, 300}, {2000, 30}, {5, 1}},
  };
  for (const std::vector<Chunk>& chunks : steps) {
    for (const DType cache : kCacheTypes) {
      const OpSample sample = step_of({.kv_heads = 1, .group = 4, .cache = cache}, chunks);
      for (const std::string_view kernel : usable_kernels_of("attention")) {
        if (kernel != "reference") expect_same_with_any_threads(sample, kernel);
      }
    }
  }
}

// The last token of a chunk of 80 and the same token alone.
void expect_same_alone(const Shape& shape, std::string_view kernel) {
  const OpSample sample = step_of(shape, {{1000, 80}});
  const OpSample last = step_of(shape, {{1079, 1}});
  std::vector<HostTensor> inputs = inputs_of(sample);
  const std::vector<float> chunk =
      evaluate("attention", sample.attributes, inputs, {.kernel = kernel})[0].floats();
  std::vector<HostTensor> alone = inputs_of(last);
  for (const size_t i : {0, 1, 2}) {
    const std::vector<float> all = inputs[i].floats();
    const auto width = static_cast<int64_t>(all.size()) / 80;
    std::vector<int64_t> dims = alone[i].shape;
    alone[i] = HostTensor::from_floats(dims, std::span(all).subspan(79 * width, width));
  }
  for (const size_t i : {3, 4}) alone[i] = inputs[i];
  const std::vector<float> token =
      evaluate("attention", last.attributes, alone, {.kernel = kernel})[0].floats();
  const std::vector<float> expected(chunk.end() - shape.group * shape.head_dim, chunk.end());
  EXPECT_EQ(token, expected) << kernel << ", " << to_string(shape.cache) << ", " << shape.head_dim;
}

TEST(BlockedAttention, ATokenAloneGetsTheBitsThatItGetsInAChunk) {
  for (const std::string_view kernel : usable_kernels_of("attention")) {
    for (const DType cache : kCacheTypes) {
      for (const int64_t head_dim : {40, 64}) {
        expect_same_alone({.kv_heads = 1, .group = 3, .head_dim = head_dim, .cache = cache},
                          kernel);
      }
    }
  }
}

// NaN at positions 21.. of a sequence of 21, which has the blocks 0 and 1, and in block 2, the
// block of no sequence.
void poison(const Shape& shape, HostTensor& keys, HostTensor& values) {
  visit_float_type(shape.cache, [&]<typename Cache>(Cache) {
    Cache nan;
    const float number = NAN;
    convert_from_f32(&number, shape.cache, &nan, 1);
    for (int64_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
      for (int64_t place = 5; place < 32; ++place) {
        for (int64_t e = 0; e < shape.head_dim; ++e) {
          const int64_t block = (kv_head * 3 + 1 + place / 16) * 16 * shape.head_dim;
          keys.view().as<Cache>()[block + e * 16 + place % 16] = nan;
          values.view().as<Cache>()[block + place % 16 * shape.head_dim + e] = nan;
        }
      }
    }
  });
}

TEST(BlockedAttention, WhatIsBehindTheLastPositionDoesNotCount) {
  for (const DType cache : kCacheTypes) {
    const Shape shape = {.cache = cache};
    const OpSample sample = step_of(shape, {{20, 1}});
    for (const std::string_view kernel : usable_kernels_of("attention")) {
      std::vector<HostTensor> inputs = inputs_of(sample);
      std::vector<HostTensor> poisoned = inputs;
      poison(shape, poisoned[3], poisoned[4]);
      EXPECT_EQ(evaluate("attention", sample.attributes, poisoned, {.kernel = kernel})[0],
                evaluate("attention", sample.attributes, inputs, {.kernel = kernel})[0])
          << kernel << ", " << to_string(cache);
    }
  }
}

// A weight of 0 times an infinite value would be NaN for the token before.
TEST(BlockedAttention, LargeValuesBecomeTheLargestOfF16AndReachNoTokenBefore) {
  const OpSample sample = step_of({.kv_heads = 1, .group = 1, .cache = DType::kF16}, {{0, 2}});
  for (const std::string_view kernel : usable_kernels_of("attention")) {
    std::vector<HostTensor> inputs = inputs_of(sample);
    float* value = inputs[2].view().as<float>();
    for (int64_t e = 0; e < 64; ++e) value[64 + e] = e % 2 == 0 ? 7e4F : -INFINITY;
    const auto found = evaluate("attention", sample.attributes, inputs, {.kernel = kernel})[0];
    for (int64_t e = 0; e < 64; ++e) {
      EXPECT_NEAR(found.floats()[static_cast<size_t>(e)], value[e], 1e-3) << kernel;
      EXPECT_TRUE(std::isfinite(found.floats()[static_cast<size_t>(64 + e)])) << kernel;
    }
    const std::vector<float> cached = inputs[4].floats();
    EXPECT_THAT(cached, testing::Contains(65504.0F)) << kernel;
    EXPECT_THAT(cached, testing::Contains(-65504.0F)) << kernel;
  }
}

}  // namespace
}  // namespace partita::ops
