// SPDX-License-Identifier: Apache-2.0
// Products with packed and with plain dense weights against sums in double.
#include "ops/weight_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
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

  std::vector<float> multiply(const std::vector<float>& x, int64_t rows) {
    if (packed_ == nullptr) {
      plain_.resize(values_.size() * static_cast<size_t>(size_of(type_)));
      convert_from_f32(values_.data(), type_, plain_.data(), n_ * k_);
      product_.use_packed_weights();
      packed_ = aligned_bytes(product_.packed_bytes());
      product_.pack(plain_.data(), {0, n_}, packed_.get());
    }
    return run(product_, packed_.get(), x, rows);
  }

  std::vector<float> run(WeightProduct& product,
                         const void* weights,
                         const std::vector<float>& x,
                         int64_t rows) {
    const AlignedBytes input = aligned_bytes(product.input_bytes(rows));
    product.make_input({.x = x.data(), .rows = rows}, input.get());
    std::vector<float> y(static_cast<size_t>(rows * n_), 7);
    product.run(input.get(), rows, weights, y.data(), scratch_);
    return y;
  }

  void expect_sums(const std::vector<float>& x, const std::vector<float>& y, int64_t rows) const {
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

  [[nodiscard]] float rounded(float value) const {
    return type_ == DType::kBF16 ? BFloat16::from_float(value).to_float() : value;
  }

  DType type_ = GetParam().dtype;
  int64_t n_ = GetParam().n;
  int64_t k_ = GetParam().k;
  std::vector<float> values_;
  std::vector<std::byte> plain_;
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
  for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 64, 70}) {
    const std::vector<float> x = random_floats(rows * k_, 2);
    expect_sums(x, multiply(x, rows), rows);
  }
}

TEST_P(PackedProductOf, EqualsTheSumsWithPlainWeights) {
  (void)multiply(random_floats(k_, 2), 1);
  WeightProduct product({type_, n_, k_, n_});
  product.use_plain_weights();
  for (const int64_t rows : {1, 5, 8, 13, 70}) {
    const std::vector<float> x = random_floats(rows * k_, 2);
    expect_sums(x, run(product, plain_.data(), x, rows), rows);
  }
}

TEST_P(PackedProductOf, GivesARowTheSameBitsBesideOthers) {
  const std::vector<float> x = random_floats(100 * k_, 3);
  const std::vector<float> all = multiply(x, 100);
  for (const int64_t rows : {1, 3, 6, 7, 8, 9, 17, 64}) {
    const std::vector<float> some(x.begin(), x.begin() + rows * k_);
    const std::vector<float> y = multiply(some, rows);
    for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], all[i]) << rows;
  }
}

TEST_P(PackedProductOf, GathersRows) {
  const std::vector<float> x = random_floats(10 * k_, 5);
  const std::vector<float> all = multiply(x, 10);
  const std::vector<int64_t> ids = {7, 0, 7};
  const AlignedBytes input = aligned_bytes(product_.input_bytes(3));
  product_.make_input({x.data(), 3, ids.data()}, input.get());
  std::vector<float> y(static_cast<size_t>(3 * n_));
  product_.run(input.get(), 3, packed_.get(), y.data(), scratch_);
  for (int64_t row = 0; row < 3; ++row) {
    const auto* expected = all.data() + ids[static_cast<size_t>(row)] * n_;
    EXPECT_TRUE(std::equal(expected, expected + n_, y.data() + row * n_)) << row;
  }
}

TEST_P(PackedProductOf, GivesTheSameWhenItsTilesArePackedInPieces) {
  (void)multiply(random_floats(k_, 4), 1);
  const std::vector<std::byte> at_once(packed_.get(), packed_.get() + product_.packed_bytes());
  std::fill_n(packed_.get(), product_.packed_bytes(), std::byte{1});
  for (int64_t row = (n_ - 1) / 64 * 64; row >= 0; row -= 64) {
    product_.pack(plain_.data() + row * k_ * size_of(type_), {row, std::min(n_, row + 64)},
                  packed_.get());
  }
  EXPECT_TRUE(std::equal(at_once.begin(), at_once.end(), packed_.get()));
}

// With f32 weights there is no difference to see.
class NearF32ProductOf : public PackedProductOf {
 protected:
  // The root of the mean square of the errors of y[rows, n].
  double error_of(const std::vector<float>& x, const std::vector<float>& y, int64_t rows) const {
    double squares = 0;
    for (int64_t i = 0; i < rows * n_; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < k_; ++j) {
        sum += static_cast<double>(x[static_cast<size_t>(i / n_ * k_ + j)]) *
               static_cast<double>(rounded(values_[static_cast<size_t>(i % n_ * k_ + j)]));
      }
      const double error = static_cast<double>(y[static_cast<size_t>(i)]) - sum;
      squares += error * error;
    }
    return std::sqrt(squares / static_cast<double>(rows * n_));
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes,
                         NearF32ProductOf,
                         ::testing::Values(Case{DType::kBF16, 64, 96},
                                           Case{DType::kBF16, 37, 333},
                                           Case{DType::kBF16, 515, 700}));

TEST_P(NearF32ProductOf, IsFarNearerToTheProductsOfXItself) {
  (void)multiply(random_floats(k_, 2), 1);
  WeightProduct packed({type_, n_, k_, n_, /*x_is_f32=*/true});
  packed.use_packed_weights();
  WeightProduct plain({type_, n_, k_, n_, /*x_is_f32=*/true});
  plain.use_plain_weights();
  for (const int64_t rows : {1, 2, 7, 8, 13, 70}) {
    const std::vector<float> x = random_floats(rows * k_, 2);
    const double fast = error_of(x, multiply(x, rows), rows);
    const std::vector<float> y = run(packed, packed_.get(), x, rows);
    // bf16 leaves errors up to 2^-8 of x, two numbers of it up to 2^-17.
    EXPECT_LT(error_of(x, y, rows), fast / 64) << rows;
    EXPECT_EQ(run(plain, plain_.data(), x, rows), y) << rows;
  }
}

TEST_P(NearF32ProductOf, GivesARowTheSameBitsBesideOthers) {
  (void)multiply(random_floats(k_, 2), 1);
  WeightProduct product({type_, n_, k_, n_, /*x_is_f32=*/true});
  product.use_packed_weights();
  const std::vector<float> x = random_floats(20 * k_, 3);
  const std::vector<float> all = run(product, packed_.get(), x, 20);
  for (const int64_t rows : {1, 6, 8}) {
    const std::vector<float> y = run(product, packed_.get(), x, rows);
    EXPECT_TRUE(std::equal(y.begin(), y.end(), all.begin())) << rows;
  }
}

TEST_P(NearF32ProductOf, KeepsWhatIsNoNumber) {
  (void)multiply(random_floats(k_, 2), 1);
  WeightProduct product({type_, n_, k_, n_, /*x_is_f32=*/true});
  product.use_packed_weights();
  std::vector<float> x = random_floats(2 * k_, 3);
  x[1] = std::numeric_limits<float>::quiet_NaN();
  x[static_cast<size_t>(k_)] = std::numeric_limits<float>::infinity();
  const std::vector<float> y = run(product, packed_.get(), x, 2);
  for (int64_t i = 0; i < n_; ++i) {
    EXPECT_TRUE(std::isnan(y[static_cast<size_t>(i)]));
    const float weight = rounded(values_[static_cast<size_t>(i * k_)]);
    if (weight != 0) {
      EXPECT_EQ(y[static_cast<size_t>(n_ + i)], weight * x[static_cast<size_t>(k_)]);
    }
  }
}

}  // namespace
}  // namespace partita::ops
