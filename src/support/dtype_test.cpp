// SPDX-License-Identifier: Apache-2.0
// Half-precision conversions at their edges, and names of element types.
#include "support/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/error.h"

namespace partita {
namespace {

TEST(DType, EveryFloat16ValueSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Float16 half{static_cast<uint16_t>(bits)};
    const float value = half.to_float();
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(Float16::from_float(value).to_float()));
    } else {
      EXPECT_EQ(Float16::from_float(value).bits, half.bits) << value;
    }
  }
}

TEST(DType, Float16RoundsToNearestEven) {
  EXPECT_EQ(Float16::from_float(1.0F + 0x1p-11F).to_float(), 1.0F);  // tie, even below
  EXPECT_EQ(Float16::from_float(1.0F + 3 * 0x1p-11F).to_float(),
            1.0F + 0x1p-9F);  // tie, even above
  EXPECT_EQ(Float16::from_float(65504.0F).to_float(), 65504.0F);
  EXPECT_TRUE(std::isinf(Float16::from_float(65520.0F).to_float()));
  EXPECT_EQ(Float16::from_float(0x1p-25F).to_float(), 0.0F);
}

TEST(DType, BFloat16RoundsToNearestEvenAndKeepsNaN) {
  EXPECT_EQ(BFloat16::from_float(1.0F + 0x1p-8F).to_float(), 1.0F);
  EXPECT_EQ(BFloat16::from_float(1.0F + 3 * 0x1p-8F).to_float(), 1.0F + 0x1p-6F);
  EXPECT_TRUE(std::isnan(BFloat16::from_float(std::numeric_limits<float>::quiet_NaN()).to_float()));
}

TEST(DType, NamesOfAllSpellingsParse) {
  EXPECT_EQ(parse_dtype("bf16"), DType::kBF16);
  EXPECT_EQ(parse_dtype("BF16"), DType::kBF16);
  EXPECT_EQ(parse_dtype("bfloat16"), DType::kBF16);
  EXPECT_EQ(parse_dtype("F8_E4M3"), std::nullopt);
}

TEST(DType, BlockTypesHaveBytesPerBlockOnly) {
  EXPECT_EQ(parse_dtype("q8_0"), DType::kQ8_0);
  EXPECT_EQ(to_string(DType::kQ4_0), "q4_0");
  EXPECT_EQ(block_elements(DType::kF16), 1);
  EXPECT_EQ(bytes_of(DType::kF16, 3), 6);
  EXPECT_EQ(bytes_of(DType::kQ8_0, 64), 68);
  EXPECT_EQ(bytes_of(DType::kQ4_0, 33), 36);  // the second block is begun
  EXPECT_EQ(bytes_of(DType::kQ4_0, 0), 0);
  EXPECT_THROW(static_cast<void>(size_of(DType::kQ8_0)), Error);
}

TEST(DType, ConvertsUnalignedFileBytes) {
  const std::vector<uint8_t> bytes = {0xff, 0x80, 0x3f, 0x00,
                                      0xc0};  // one pad byte, then bf16 1.0 and -2.0
  std::vector<float> values(2);
  convert_to_f32(DType::kBF16, bytes.data() + 1, values.data(), 2);
  EXPECT_EQ(values, (std::vector<float>{1.0F, -2.0F}));
}

}  // namespace
}  // namespace partita
