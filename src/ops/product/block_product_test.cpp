// SPDX-License-Identifier: Apache-2.0
// Products with block-quantised weights: each instruction level against the dequantised product.
#include "ops/product/block_product.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "device/cpu/instructions.h"
#include "ops/weight_product.h"
#include "support/quant_blocks.h"

namespace partita::ops {
namespace {

using device::Instructions;
using ::testing::Each;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<Instructions> levels() {
  std::vector<Instructions> found;
  for (const Instructions level :
       {Instructions::kPortable, Instructions::kAvx2, Instructions::kAvx512}) {
    if (level <= device::supported_instructions()) found.push_back(level);
  }
  return found;
}

std::vector<float> random_floats(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(random() % 20001) / 10000 - 1;
  return values;
}

struct Weights {
  BlockShape shape;
  std::vector<std::byte> plain;
  std::vector<float> values;  // [n, k]
};

Weights make_weights(const BlockShape& shape, uint32_t seed) {
  Weights weights{shape, {}, random_floats(shape.n * shape.k, seed)};
  const int64_t count = shape.n * shape.k;
  weights.plain.resize(static_cast<size_t>(bytes_of(shape.weight, count)));
  EXPECT_TRUE(quantize(weights.values.data(), count, shape.weight, weights.plain.data()));
  dequantize(shape.weight, weights.plain.data(), count, weights.values.data());
  return weights;
}

std::vector<float> multiply(const Weights& weights,
                            const std::vector<float>& x,
                            int64_t rows,
                            Instructions level) {
  const BlockProduct product(weights.shape, level);
  const int64_t n = weights.shape.n;
  const AlignedBytes packed = aligned_bytes(product.packed_bytes());
  product.pack(weights.plain.data(), {0, n}, packed.get());
  const AlignedBytes quantised = aligned_bytes(product.quantised_bytes(rows));
  product.quantise({.x = x.data(), .rows = rows}, quantised.get());
  std::vector<float> y(static_cast<size_t>(rows * n), -1e30F);
  product.run(quantised.get(), rows, packed.get(), {y.data(), n});
  return y;
}

// What 8 bits for x may cost, and the f32 rounding of the sum over blocks.
void expect_product(const Weights& weights,
                    const std::vector<float>& x,
                    const std::vector<float>& y,
                    const std::string& what) {
  const int64_t n = weights.shape.n;
  const int64_t k = weights.shape.k;
  for (size_t i = 0; i < y.size(); ++i) {
    const float* row = x.data() + static_cast<int64_t>(i) / n * k;
    const float* weight = weights.values.data() + static_cast<int64_t>(i) % n * k;
    double sum = 0;
    double bound = 1e-30;
    for (int64_t block = 0; block < k; block += kQuantBlock) {
      double most = 0;
      double weight_sum = 0;
      for (int64_t j = block; j < block + kQuantBlock; ++j) {
        sum += static_cast<double>(row[j]) * static_cast<double>(weight[j]);
        most = std::max(most, std::abs(static_cast<double>(row[j])));
        weight_sum += std::abs(static_cast<double>(weight[j]));
      }
      bound += weight_sum * most * (1 / 254.0 + 1e-5);
    }
    ASSERT_NEAR(static_cast<double>(y[i]), sum, bound) << what << " element " << i;
  }
}

std::string name_of(const BlockShape& shape, int64_t rows, Instructions level) {
  return std::string(to_string(shape.weight)) + " n " + std::to_string(shape.n) + " k " +
         std::to_string(shape.k) + " rows " + std::to_string(rows) + " " +
         std::string(to_string(level));
}

class BlockProductOf : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types,
                         BlockProductOf,
                         ::testing::Values(DType::kQ8_0, DType::kQ4_0),
                         [](const auto& type) { return std::string(to_string(type.param)); });

TEST_P(BlockProductOf, EqualsTheDequantisedProductOnEveryLevel) {
  for (const auto& [n, k] : {std::pair{1, 32}, {31, 96}, {32, 64}, {33, 32}, {100, 320}}) {
    const Weights weights = make_weights({GetParam(), n, k}, 1);
    for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 40}) {
      const std::vector<float> x = random_floats(rows * k, 2);
      for (const Instructions level : levels()) {
        expect_product(weights, x, multiply(weights, x, rows, level),
                       name_of(weights.shape, rows, level));
      }
    }
  }
}

TEST_P(BlockProductOf, EqualsTheDequantisedProductOfManyRows) {
  const Weights weights = make_weights({GetParam(), 70, 128}, 3);
  const std::vector<float> x = random_floats(512 * 128, 4);
  for (const Instructions level : levels()) {
    expect_product(weights, x, multiply(weights, x, 512, level),
                   name_of(weights.shape, 512, level));
  }
}

TEST_P(BlockProductOf, GivesTheSameBitsOnEveryLevelInEveryBatchAndWithEveryTeam) {
  const int64_t k = 2048;  // large enough for two threads
  const Weights weights = make_weights({GetParam(), 1100, k}, 5);
  const std::vector<float> x = random_floats(11 * k, 6);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const std::vector<float> expected = multiply(weights, x, 11, Instructions::kPortable);
  for (const Instructions level : levels()) {
    EXPECT_EQ(multiply(weights, x, 11, level), expected) << to_string(level);
  }
  omp_set_num_threads(3);
  EXPECT_EQ(multiply(weights, x, 11, device::supported_instructions()), expected);
  const std::vector<float> last_row(x.end() - k, x.end());
  const auto alone = multiply(weights, last_row, 1, device::supported_instructions());
  EXPECT_EQ(alone, std::vector<float>(expected.end() - 1100, expected.end()));
  omp_set_num_threads(before);
}

TEST_P(BlockProductOf, GivesTheSameForPlainWeightsAndThosePackedInPieces) {
  const Weights weights = make_weights({GetParam(), 75, 96}, 7);
  const std::vector<float> x = random_floats(5 * 96, 8);
  const std::vector<float> expected = multiply(weights, x, 5, levels().back());
  const BlockProduct product(weights.shape, levels().back());
  const AlignedBytes packed = aligned_bytes(product.packed_bytes());
  const int64_t row_bytes = bytes_of(GetParam(), 96);
  for (const Range rows : {Range{64, 75}, Range{0, 32}, Range{32, 64}}) {
    product.pack(weights.plain.data() + rows.begin * row_bytes, rows, packed.get());
  }
  const AlignedBytes quantised = aligned_bytes(product.quantised_bytes(5));
  product.quantise({.x = x.data(), .rows = 5}, quantised.get());
  std::vector<float> y(expected.size());
  product.run(quantised.get(), 5, packed.get(), {y.data(), 75});
  EXPECT_EQ(y, expected);
  y.assign(y.size(), 0);
  const AlignedBytes tiles = aligned_bytes(product.plain_scratch_bytes());
  product.run_plain(quantised.get(), 5, weights.plain.data(), tiles.get(), {y.data(), 75});
  EXPECT_EQ(y, expected);
}

TEST_P(BlockProductOf, GathersRowsAndLeavesOtherColumnsAlone) {
  const Weights weights = make_weights({GetParam(), 37, 64}, 9);
  const std::vector<float> x = random_floats(6 * 64, 10);
  const std::vector<float> all = multiply(weights, x, 6, levels().back());
  const BlockProduct product(weights.shape);
  const AlignedBytes packed = aligned_bytes(product.packed_bytes());
  product.pack(weights.plain.data(), {0, 37}, packed.get());
  const std::vector<int64_t> ids = {4, 1};
  const AlignedBytes quantised = aligned_bytes(product.quantised_bytes(2));
  product.quantise({.x = x.data(), .rows = 2, .row_ids = ids.data()}, quantised.get());
  std::vector<float> y(2 * 40, 7.0F);
  product.run(quantised.get(), 2, packed.get(), {y.data(), 40});
  for (size_t row = 0; row < 2; ++row) {
    const auto from = all.begin() + ids[row] * 37;
    EXPECT_TRUE(std::equal(from, from + 37, y.begin() + static_cast<int64_t>(row) * 40));
    for (size_t i = 37; i < 40; ++i) EXPECT_EQ(y[row * 40 + i], 7.0F);
  }
}

TEST_P(BlockProductOf, GivesZerosForZeroAndTinyRows) {
  const Weights weights = make_weights({GetParam(), 33, 64}, 11);
  for (const float value : {0.0F, -0.0F, 1e-38F, 1e-42F, 9e-31F}) {
    for (const Instructions level : levels()) {
      EXPECT_THAT(multiply(weights, std::vector<float>(64, value), 1, level), Each(0.0F))
          << value << " " << to_string(level);
    }
  }
}

TEST_P(BlockProductOf, GivesNansForRowsThatAreNotFiniteAndOnlyForThese) {
  const Weights weights = make_weights({GetParam(), 33, 64}, 12);
  std::vector<float> x = random_floats(5 * 64, 13);
  const std::vector<float> finite = multiply(weights, x, 5, Instructions::kPortable);
  x[1 * 64 + 40] = kInfinity;
  x[2 * 64 + 3] = -kInfinity;
  x[4 * 64 + 63] = std::nanf("");
  for (const Instructions level : levels()) {
    const std::vector<float> y = multiply(weights, x, 5, level);
    for (size_t i = 0; i < y.size(); ++i) {
      const size_t row = i / 33;
      const bool is_finite = row == 0 || row == 3;
      EXPECT_EQ(std::isnan(y[i]), !is_finite) << to_string(level) << " element " << i;
      if (is_finite) {
        EXPECT_EQ(y[i], finite[i]) << to_string(level);
      }
    }
  }
}

TEST_P(BlockProductOf, TakesValuesNearTheLargestFloat) {
  const Weights weights = make_weights({GetParam(), 5, 32}, 14);
  std::vector<float> x(32, 0);
  x[7] = 1e38F;
  for (const Instructions level : levels()) {
    expect_product(weights, x, multiply(weights, x, 1, level), name_of(weights.shape, 1, level));
  }
}

// A file may hold -128, which quantize() never writes.
TEST(BlockProduct, TakesTheLowestWeights) {
  Weights weights{{DType::kQ8_0, 2, 32}, std::vector<std::byte>(2 * sizeof(Q8Block)), {}};
  auto* blocks = reinterpret_cast<Q8Block*>(weights.plain.data());
  for (int i = 0; i < 2; ++i) {
    blocks[i].scale = Float16::from_float(0.5F);
    blocks[i].values.fill(static_cast<int8_t>(i == 0 ? -128 : 127));
  }
  for (const float sign : {1.0F, -1.0F}) {
    const std::vector<float> x(32, 127 * sign);  // scale 1
    for (const Instructions level : levels()) {
      const float unit = 32 * 127 * sign * 0.5F;
      EXPECT_EQ(multiply(weights, x, 1, level), (std::vector<float>{-128 * unit, 127 * unit}))
          << to_string(level);
    }
  }
}

TEST(BlockProduct, TakesSubnormalAndInfiniteScales) {
  Weights weights{{DType::kQ4_0, 2, 32}, std::vector<std::byte>(2 * sizeof(Q4Block)), {}};
  auto* blocks = reinterpret_cast<Q4Block*>(weights.plain.data());
  blocks[0].scale = Float16{1};  // 2^-24
  blocks[1].scale = Float16{0x7c00};
  for (int i = 0; i < 2; ++i) blocks[i].values.fill(0x99);  // 9 - 8 = 1
  for (const Instructions level : levels()) {
    const auto y = multiply(weights, std::vector<float>(32, 127), 1, level);
    EXPECT_EQ(y[0], 32 * 127 * 0x1p-24F) << to_string(level);
    EXPECT_EQ(y[1], kInfinity) << to_string(level);
  }
}

TEST(BlockProduct, TakesNoRowsNoColumnsAndNothingToSum) {
  const Weights weights = make_weights({DType::kQ4_0, 3, 32}, 15);
  EXPECT_TRUE(multiply(weights, {}, 0, levels().back()).empty());
  EXPECT_TRUE(multiply({{DType::kQ4_0, 0, 32}, {}, {}}, std::vector<float>(32), 1, levels().back())
                  .empty());
  EXPECT_THAT(multiply({{DType::kQ8_0, 3, 0}, {}, {}}, {}, 2, levels().back()), Each(0.0F));
}

}  // namespace
}  // namespace partita::ops
