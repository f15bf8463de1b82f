// SPDX-License-Identifier: Apache-2.0
// top_k and merge_top_k: order, ties, what is no number, and that pieces merged are the whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<HostTensor> top_k(const HostTensor& x, int64_t k, std::string_view kernel = {}) {
  std::vector<HostTensor> inputs = {x};
  return evaluate("top_k", attributes({{"k", k}}), inputs, {.kernel = kernel});
}

std::vector<float> ids_of_best(const std::vector<float>& row, int64_t k, std::string_view kernel) {
  const auto size = static_cast<int64_t>(row.size());
  return top_k(HostTensor::from_floats({1, size}, row), k, kernel)[1].floats();
}

TEST(TopK, LargerOnesFirstAndOfEqualOnesTheLowerIndex) {
  for (const std::string_view kernel : usable_kernels_of("top_k")) {
    const auto best =
        top_k(HostTensor::from_floats({2, 5}, std::vector<float>{1, 4, 2, 4, 3, 0, 0, -1, 0, 0}), 3,
              kernel);
    EXPECT_THAT(best[0].floats(), ElementsAre(4, 4, 3, 0, 0, 0)) << kernel;
    EXPECT_THAT(best[1].floats(), ElementsAre(1, 3, 4, 0, 1, 3)) << kernel;
    EXPECT_EQ(best[1].dtype, DType::kI32);
  }
}

TEST(TopK, NaNCountsAsInfinity) {
  for (const std::string_view kernel : usable_kernels_of("top_k")) {
    EXPECT_THAT(ids_of_best({1, -kInfinity, kInfinity, NAN, 2, NAN}, 4, kernel),
                ElementsAre(2, 3, 5, 4));
    EXPECT_THAT(ids_of_best({-kInfinity, -kInfinity, -kInfinity}, 2, kernel), ElementsAre(0, 1));
    // Behind the first block, where only what exceeds the worst kept one is looked at.
    std::vector<float> row(300, 1.0F);
    row[200] = NAN;
    row[250] = 2;
    EXPECT_THAT(ids_of_best(row, 3, kernel), ElementsAre(200, 250, 0)) << kernel;
  }
}

TEST(TopK, NothingIsKeptOfNothing) {
  const auto best = top_k(HostTensor::from_floats({2, 0}, std::vector<float>{}), 0);
  EXPECT_EQ(best[0].shape, (std::vector<int64_t>{2, 0}));
}

// Rows with many equal values, cut unevenly; one piece is empty.
TEST(MergeTopK, PiecesMergedAreTheWhole) {
  constexpr int64_t kRows = 3;
  constexpr int64_t kWidth = 500;
  constexpr int64_t kBest = 40;
  OpSample sample = float_sample({f32({kRows, kWidth})});
  std::vector<float> x = random_inputs(sample, 8)[0].floats();
  for (float& value : x) value = std::round(value * 20);
  const std::vector<int64_t> cuts = {0, 300, 300, 310, 500};
  std::vector<int64_t> begins;
  std::vector<int64_t> ends;
  std::vector<int64_t> firsts;
  std::vector<std::vector<float>> values(kRows);
  std::vector<std::vector<int64_t>> ids(kRows);
  for (size_t piece = 0; piece + 1 < cuts.size(); ++piece) {
    const int64_t width = cuts[piece + 1] - cuts[piece];
    const int64_t count = std::min(kBest, width);
    std::vector<float> part;
    for (int64_t row = 0; row < kRows; ++row) {
      const auto from = x.begin() + row * kWidth + cuts[piece];
      part.insert(part.end(), from, from + width);
    }
    const auto best = top_k(HostTensor::from_floats({kRows, width}, part), count);
    const std::vector<float> best_values = best[0].floats();
    const std::vector<float> best_ids = best[1].floats();
    begins.push_back(count == 0 ? 0 : static_cast<int64_t>(values[0].size()));
    ends.push_back(begins.back() + count);
    firsts.push_back(cuts[piece]);
    for (int64_t row = 0; row < kRows; ++row) {
      for (int64_t i = row * count; i < (row + 1) * count; ++i) {
        values[static_cast<size_t>(row)].push_back(best_values[static_cast<size_t>(i)]);
        ids[static_cast<size_t>(row)].push_back(
            static_cast<int64_t>(best_ids[static_cast<size_t>(i)]));
      }
    }
  }
  std::vector<float> all_values;
  std::vector<int64_t> all_ids;
  for (int64_t row = 0; row < kRows; ++row) {
    const auto at = static_cast<size_t>(row);
    all_values.insert(all_values.end(), values[at].begin(), values[at].end());
    all_ids.insert(all_ids.end(), ids[at].begin(), ids[at].end());
  }
  const auto columns = static_cast<int64_t>(values[0].size());
  std::vector<HostTensor> inputs = {HostTensor::from_floats({kRows, columns}, all_values),
                                    HostTensor::from_integers({kRows, columns}, all_ids)};
  const auto merged = evaluate(
      "merge_top_k",
      attributes({{"k", kBest}, {"begins", begins}, {"ends", ends}, {"firsts", firsts}}), inputs);
  EXPECT_EQ(merged, top_k(HostTensor::from_floats({kRows, kWidth}, x), kBest));
}

TEST(TopK, RefusesMoreThanThereAreAndUnequalPieces) {
  const std::vector<ir::TensorType> row = {f32({2, 5})};
  for (const int64_t k : {-1, 6}) {
    EXPECT_THROW((void)infer_types({"top_k", attributes({{"k", k}}), row}), Error) << k;
  }
  const std::vector<ir::TensorType> pair = {f32({2, 5}), i32({2, 5})};
  const auto unequal = attributes({{"k", int64_t{2}},
                                   {"begins", std::vector<int64_t>{0, 2}},
                                   {"ends", std::vector<int64_t>{2, 5}},
                                   {"firsts", std::vector<int64_t>{0}}});
  EXPECT_THROW((void)infer_types({"merge_top_k", unequal, pair}), Error);
}

}  // namespace
}  // namespace partita::ops
