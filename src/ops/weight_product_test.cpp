// SPDX-License-Identifier: Apache-2.0
// Products with packed dense weights: few rows (own loops) and many (oneDNN) against sums in
// double.
#include "ops/weight_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace partita::ops {
namespace {

std::vector<float> random_floats(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(random() % 2001) / 1000 - 1;
  return values;
}

struct Case {
  DType dtype;
  int64_t n;
  int64_t k;
};

class PackedProductOf : public ::testing::TestWithParam<Case> {
 protected:
  PackedProductOf() : values_(random_floats(n_ * k_, 1)), product_({type_, n_, k_, n_}) {}

  // y[rows, n] of x, whose rows are a bucket of oneDNN's.
  std::vector<float> multiply(const std::vector<float>& x, int64_t rows) {
    if (packed_ == nullptr) {
      std::vector<std::byte> plain(values_.size() * static_cast<size_t>(size_of(type_)));
      convert_from_f32(values_.data(), type_, plain.data(), n_ * k_);
      product_.use_packed_weights(512);
      packed_ = aligned_bytes(product_.packed_bytes());
      product_.pack(plain.data(), packed_.get());
    }
    std::vector<std::byte> narrow(static_cast<size_t>(rows * k_ * size_of(type_)));
    copy_product_rows({x.data(), nullptr, rows, rows, k_}, type_, narrow.data());
    std::vector<float> y(static_cast<size_t>(rows * n_), 7);
    product_.run(narrow.data(), rows, packed_.get(), y.data(), scratch_);
    return y;
  }

  [[nodiscard]] float rounded(float value) const {
    return type_ == DType::kBF16 ? BFloat16::from_float(value).to_float() : value;
  }

  DType type_ = GetParam().dtype;
  int64_t n_ = GetParam().n;
  int64_t k_ = GetParam().k;
  std::vector<float> values_;
  WeightProduct product_;
  AlignedBytes packed_;
  Scratch scratch_;
};

INSTANTIATE_TEST_SUITE_P(Shapes,
                         PackedProductOf,
                         ::testing::Values(Case{DType::kF32, 64, 96},
                                           Case{DType::kF32, 37, 333},
                                           Case{DType::kF32, 515, 40},
                                           Case{DType::kBF16, 64, 96},
                                           Case{DType::kBF16, 37, 333},
                                           Case{DType::kBF16, 1, 7},
                                           Case{DType::kBF16, 200, 256},
                                           Case{DType::kBF16, 515, 700}));

TEST_P(PackedProductOf, EqualsTheSums) {
  for (const int64_t rows : {1, 2, 3, 4, 6, 8, 12, 64}) {
    const std::vector<float> x = random_floats(rows * k_, 2);
    const std::vector<float> y = multiply(x, rows);
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < n_; ++column) {
        const float found = y[static_cast<size_t>(row * n_ + column)];
        double sum = 0;
        for (int64_t i = 0; i < k_; ++i) {
          sum += static_cast<double>(rounded(x[static_cast<size_t>(row * k_ + i)])) *
                 static_cast<double>(rounded(values_[static_cast<size_t>(column * k_ + i)]));
        }
        // k terms of at most 1 in f32: the error of each addition is 2^-24 of the sum so far.
        const double bound = 0x1p-24 * static_cast<double>(k_) * std::sqrt(double(k_)) + 1e-6;
        ASSERT_NEAR(found, sum, bound) << rows << " rows, " << row << ", " << column;
      }
    }
  }
}

TEST_P(PackedProductOf, GivesARowTheSameBitsBesideUpToSevenOthers) {
  const std::vector<float> x = random_floats(8 * k_, 3);
  const std::vector<float> all = multiply(x, 8);
  for (const int64_t rows : {1, 3, 6}) {
    const std::vector<float> some(x.begin(), x.begin() + rows * k_);
    const std::vector<float> y = multiply(some, rows);
    for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], all[i]) << rows;
  }
}

TEST_P(PackedProductOf, GivesTheSameWhenItsTilesArePackedInPieces) {
  const std::vector<float> x = random_floats(12 * k_, 4);
  const std::vector<float> few = multiply({x.begin(), x.begin() + k_}, 1);
  const std::vector<float> many = multiply(x, 12);
  ASSERT_TRUE(product_.is_tiled());
  std::vector<std::byte> plain(values_.size() * static_cast<size_t>(size_of(type_)));
  convert_from_f32(values_.data(), type_, plain.data(), n_ * k_);
  std::fill_n(packed_.get(), product_.packed_bytes(), std::byte{1});
  for (int64_t row = (n_ - 1) / 64 * 64; row >= 0; row -= 64) {
    product_.pack_tiles(plain.data() + row * k_ * size_of(type_), {row, std::min(n_, row + 64)},
                        packed_.get());
  }
  EXPECT_EQ(multiply({x.begin(), x.begin() + k_}, 1), few);
  EXPECT_EQ(multiply(x, 12), many);
  const std::vector<std::byte> in_pieces(packed_.get(), packed_.get() + product_.packed_bytes());
  std::fill_n(packed_.get(), product_.packed_bytes(), std::byte{2});
  product_.pack_tiles(plain.data(), {0, n_}, packed_.get());
  EXPECT_TRUE(std::equal(in_pieces.begin(), in_pieces.end(), packed_.get()));
  product_.pack(plain.data(), packed_.get());
  EXPECT_TRUE(std::equal(in_pieces.begin(), in_pieces.end(), packed_.get()));
}

}  // namespace
}  // namespace partita::ops
