// SPDX-License-Identifier: Apache-2.0
// Ordered reduction: order, rounding, wrapping, NaN and aliasing.
#include "comm/reduce.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "comm/all_reduce.h"
#include "comm/reduce_kernels.h"
#include "device/cpu/instructions.h"
#include "support/error.h"

namespace partita::comm {
namespace {

template <typename T>
std::vector<T> reduce(const std::vector<std::vector<T>>& inputs, DType dtype, ReduceKind kind) {
  std::vector<const std::byte*> pointers;
  for (const auto& input : inputs) {
    pointers.push_back(reinterpret_cast<const std::byte*>(input.data()));
  }
  std::vector<T> out(inputs[0].size());
  reduce_in_order(pointers, reinterpret_cast<std::byte*>(out.data()),
                  static_cast<int64_t>(out.size()), {dtype, kind});
  return out;
}

TEST(ReduceInOrder, AddsFromTheFirstRankOn) {
  // (1e8 + 1) - 1e8 = 0 in f32, while 1 + (1e8 - 1e8) = 1: the order is visible.
  const auto sum = reduce<float>({{1e8F}, {1.0F}, {-1e8F}}, DType::kF32, ReduceKind::kSum);
  EXPECT_EQ(sum[0], (1e8F + 1.0F) - 1e8F);
}

TEST(ReduceInOrder, AccumulatesHalvesInSinglePrecision) {
  // 256 + 1 + 1: bf16 steps are 2 at 256, so rounding after each addition would lose both ones.
  const auto bf16 = [](float value) { return BFloat16::from_float(value); };
  const auto sum =
      reduce<BFloat16>({{bf16(256)}, {bf16(1)}, {bf16(1)}}, DType::kBF16, ReduceKind::kSum);
  EXPECT_EQ(sum[0].to_float(), 258.0F);
}

TEST(ReduceInOrder, WrapsIntegersAndRoundsTheirAverageTowardZero) {
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
  EXPECT_EQ(reduce<int32_t>({{kMost}, {1}}, DType::kI32, ReduceKind::kSum)[0],
            std::numeric_limits<int32_t>::min());
  EXPECT_EQ(reduce<uint8_t>({{200}, {100}}, DType::kU8, ReduceKind::kSum)[0], 44);
  EXPECT_EQ(reduce<uint8_t>({{200}, {100}}, DType::kU8, ReduceKind::kMax)[0], 200);
  EXPECT_EQ(reduce<int8_t>({{-3}, {0}}, DType::kI8, ReduceKind::kAvg)[0], -1);
}

TEST(ReduceInOrder, KeepsNaNInMinAndMaxOnEitherSide) {
  const float nan = std::nanf("");
  for (const ReduceKind kind : {ReduceKind::kMin, ReduceKind::kMax}) {
    EXPECT_TRUE(std::isnan(reduce<float>({{nan}, {1}}, DType::kF32, kind)[0]));
    EXPECT_TRUE(std::isnan(reduce<float>({{1}, {nan}, {2}}, DType::kF32, kind)[0]));
  }
}

TEST(ReduceInOrder, MayWriteOverAnInputAndCrossesBlocks) {
  for (const size_t ranks : {size_t{1}, size_t{2}, size_t{3}}) {
    std::vector<std::vector<int64_t>> inputs(ranks, std::vector<int64_t>(3000));
    std::vector<const std::byte*> pointers;
    for (auto& input : inputs) {
      for (size_t i = 0; i < input.size(); ++i) input[i] = static_cast<int64_t>(i);
      pointers.push_back(reinterpret_cast<const std::byte*>(input.data()));
    }
    auto& out = inputs.back();
    reduce_in_order(pointers, reinterpret_cast<std::byte*>(out.data()), 3000,
                    {DType::kI64, ReduceKind::kSum});
    for (size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], static_cast<int64_t>(i * ranks));
  }
}

// All types and kinds: every instruction set gives the bits of the baseline.
TEST(ReduceInOrder, GivesTheSameBitsWithEveryInstructionSet) {
  if (device::supported_instructions() < device::Instructions::kAvx2) {
    GTEST_SKIP() << "this processor has no AVX2";
  }
  constexpr int64_t kCount = 1003;
  std::vector<std::vector<std::byte>> inputs(3, std::vector<std::byte>(kCount * sizeof(double)));
  std::vector<const std::byte*> pointers;
  for (size_t rank = 0; rank < inputs.size(); ++rank) {
    // The upper byte of each element stays below 0x40: numbers, not NaN, whose payload may differ.
    for (size_t i = 0; i < inputs[rank].size(); ++i) {
      inputs[rank][i] = static_cast<std::byte>((i * 37 + rank * 101) % 64);
    }
    pointers.push_back(inputs[rank].data());
  }
  for (int dtype = 0; dtype <= static_cast<int>(DType::kF64); ++dtype) {
    for (int kind = 0; kind <= static_cast<int>(ReduceKind::kAvg); ++kind) {
      const Reduction reduction{static_cast<DType>(dtype), static_cast<ReduceKind>(kind)};
      std::vector<std::byte> baseline(inputs[0].size());
      std::vector<std::byte> avx2(inputs[0].size());
      reduce_baseline({pointers.data(), 3, baseline.data(), kCount, reduction});
      reduce_avx2({pointers.data(), 3, avx2.data(), kCount, reduction});
      EXPECT_EQ(baseline, avx2) << to_string(reduction.kind) << " of "
                                << to_string(reduction.dtype);
    }
  }
}

TEST(CheckReducible, RefusesToAddBooleans) {
  EXPECT_THROW(check_reducible({DType::kBool, ReduceKind::kSum}), Error);
  EXPECT_NO_THROW(check_reducible({DType::kBool, ReduceKind::kMax}));
  EXPECT_NO_THROW(check_reducible({DType::kU8, ReduceKind::kSum}));
}

// (1e8 + 1) - 1e8 = 0 in f32, and + 3 last: the order is visible across terms and addends.
TEST(AddTerms, AddsTermsInOrderThenTheRest) {
  const std::vector<std::vector<float>> terms = {{9, 1e8F}, {9, 1.0F}, {9, -1e8F}};
  std::vector<const std::byte*> pointers;
  for (const auto& term : terms)
    pointers.push_back(reinterpret_cast<const std::byte*>(term.data()));
  const float three = 3;
  const std::vector<const float*> more = {&three};
  float out = 0;
  add_terms({pointers, DType::kF32}, 1, more, {&out, 1});
  EXPECT_EQ(out, ((1e8F + 1.0F) - 1e8F) + 3);
}

// More inputs than one loop takes, in both element types and instruction sets.
TEST(AddTerms, EveryVariantAddsManyTermsAlike) {
  constexpr int64_t kCount = 1111;
  constexpr int kRanks = 19;
  std::vector<std::vector<float>> wide(kRanks, std::vector<float>(kCount));
  std::vector<std::vector<uint16_t>> narrow(kRanks, std::vector<uint16_t>(kCount));
  std::vector<const std::byte*> wide_terms;
  std::vector<const std::byte*> narrow_terms;
  std::vector<float> expected(kCount);
  for (size_t rank = 0; rank < kRanks; ++rank) {
    for (int64_t i = 0; i < kCount; ++i) {
      // Exact in bf16; sums of them are exact in f32.
      const auto value = static_cast<float>((i * 7 + static_cast<int64_t>(rank) * 3) % 200 - 100);
      wide[rank][static_cast<size_t>(i)] = value;
      expected[static_cast<size_t>(i)] += value;
    }
    round_baseline(wide[rank].data(), narrow[rank].data(), kCount);
    wide_terms.push_back(reinterpret_cast<const std::byte*>(wide[rank].data()));
    narrow_terms.push_back(reinterpret_cast<const std::byte*>(narrow[rank].data()));
  }
  const std::vector<float> ones(kCount, 1);
  const std::vector<const float*> more = {ones.data(), ones.data()};
  for (float& sum : expected) sum += 2;
  for (const bool is_bf16 : {false, true}) {
    std::vector<float> out(kCount);
    const SumArguments arguments{(is_bf16 ? narrow_terms : wide_terms).data(),
                                 kRanks,
                                 is_bf16,
                                 0,
                                 more.data(),
                                 2,
                                 out.data(),
                                 kCount};
    sum_baseline(arguments);
    EXPECT_EQ(out, expected);
    if (device::supported_instructions() < device::Instructions::kAvx2) continue;
    std::fill(out.begin(), out.end(), 0.0F);
    sum_avx2(arguments);
    EXPECT_EQ(out, expected);
    if (!is_bf16 || device::supported_instructions() < device::Instructions::kAvx512) continue;
    std::fill(out.begin(), out.end(), 0.0F);
    sum_bf16_avx512(arguments);
    EXPECT_EQ(out, expected);
    // From an element in the middle, in place of an addend.
    std::vector<float> addend(kCount, 1);
    const std::vector<const float*> in_place = {addend.data(), ones.data()};
    SumArguments part = arguments;
    part.first_term = 5;
    part.more = in_place.data();
    part.out = addend.data();
    part.count = kCount - 5;
    sum_bf16_avx512(part);
    addend.resize(kCount - 5);
    EXPECT_EQ(addend, std::vector<float>(expected.begin() + 5, expected.end()));
  }
}

TEST(RoundToBf16, EveryVariantRoundsAsTheElementTypeDoes) {
  std::vector<float> values = {0, -0.0F, 1, 1.00390625F, 1.01171875F, 3.4e38F, 1e-40F};
  values.push_back(std::numeric_limits<float>::infinity());
  values.push_back(std::nanf(""));
  while (values.size() < 100)
    values.push_back(values.back() == values.back() ? values.back() : 0.3F);
  std::vector<uint16_t> baseline(values.size());
  std::vector<uint16_t> fastest(values.size());
  round_baseline(values.data(), baseline.data(), static_cast<int64_t>(values.size()));
  round_to_bf16(values, reinterpret_cast<std::byte*>(fastest.data()));
  EXPECT_EQ(baseline, fastest);
  if (device::supported_instructions() == device::Instructions::kAvx512) {
    for (const size_t count : {size_t{1}, size_t{15}, size_t{33}}) {
      std::fill(fastest.begin(), fastest.end(), 0);
      round_avx512(values.data(), fastest.data(), static_cast<int64_t>(count));
      std::vector<uint16_t> expected(baseline.begin(),
                                     baseline.begin() + static_cast<int64_t>(count));
      expected.resize(baseline.size());
      EXPECT_EQ(fastest, expected);
    }
  }
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(baseline[i], BFloat16::from_float(values[i]).bits) << values[i];
  }
}

}  // namespace
}  // namespace partita::comm
