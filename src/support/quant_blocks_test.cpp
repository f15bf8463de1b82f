// SPDX-License-Identifier: Apache-2.0
// Blocks of quantised weights: the bytes of another implementation, bad values, corners by hand.
#include "support/quant_blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "support/error.h"
#include "support/json.h"

namespace partita {
namespace {

std::vector<std::byte> bytes_from(const std::string& hexadecimal) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < hexadecimal.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(hexadecimal.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::vector<float> floats_from(const std::string& hexadecimal) {
  const std::vector<std::byte> bytes = bytes_from(hexadecimal);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

class QuantBlocks : public testing::TestWithParam<DType> {};

TEST_P(QuantBlocks, AreThoseOfGguf) {
  const Json golden = read_json(PARTITA_SOURCE_DIR "/tests/golden/quant_blocks.json");
  const Json& expected = golden.at(std::string(to_string(GetParam())));
  const size_t rows = golden.at("f32").size();
  ASSERT_GT(rows, 8U);
  for (size_t row = 0; row < rows; ++row) {
    const auto values = floats_from(golden.at("f32").at(row).get<std::string>());
    const auto blocks = bytes_from(expected.at("blocks").at(row).get<std::string>());
    std::vector<std::byte> made(blocks.size());
    EXPECT_TRUE(quantize(values.data(), kQuantBlock, GetParam(), made.data()));
    EXPECT_EQ(made, blocks) << row;
    std::vector<float> restored(kQuantBlock);
    dequantize(GetParam(), blocks.data(), kQuantBlock, restored.data());
    EXPECT_EQ(restored, floats_from(expected.at("values").at(row).get<std::string>())) << row;
  }
}

TEST_P(QuantBlocks, ValuesThatHaveNoBlockGiveZerosAndAreReported) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity(), 9e6F}) {
    std::vector<float> values(3 * kQuantBlock, 1.0F);
    values[kQuantBlock + 3] = bad;
    std::vector<std::byte> blocks(
        static_cast<size_t>(bytes_of(GetParam(), static_cast<int64_t>(values.size()))));
    EXPECT_FALSE(quantize(values.data(), 3 * kQuantBlock, GetParam(), blocks.data()));
    std::vector<float> restored(values.size());
    dequantize(GetParam(), blocks.data(), 3 * kQuantBlock, restored.data());
    EXPECT_NEAR(restored[0], 1.0F, 0.01F);
    EXPECT_EQ(restored[kQuantBlock], 0.0F);
    EXPECT_NEAR(restored[2 * kQuantBlock], 1.0F, 0.01F);
  }
}

TEST_P(QuantBlocks, TinyValuesBecomeZero) {
  const std::vector<float> values(kQuantBlock, std::numeric_limits<float>::denorm_min());
  std::vector<std::byte> block(static_cast<size_t>(block_bytes(GetParam())));
  EXPECT_TRUE(quantize(values.data(), kQuantBlock, GetParam(), block.data()));
  std::vector<float> restored(kQuantBlock, 1.0F);
  dequantize(GetParam(), block.data(), kQuantBlock, restored.data());
  EXPECT_THAT(restored, testing::Each(0.0F));
}

TEST_P(QuantBlocks, QuantisingAgainChangesNothing) {
  std::vector<float> values;
  for (int i = 0; i < 4 * kQuantBlock; ++i)
    values.push_back(0.01F * static_cast<float>(i * i % 97 - 40));
  std::vector<std::byte> blocks(static_cast<size_t>(4 * block_bytes(GetParam())));
  quantize(values.data(), 4 * kQuantBlock, GetParam(), blocks.data());
  std::vector<float> restored(values.size());
  dequantize(GetParam(), blocks.data(), 4 * kQuantBlock, restored.data());
  std::vector<std::byte> again(blocks.size());
  quantize(restored.data(), 4 * kQuantBlock, GetParam(), again.data());
  EXPECT_EQ(again, blocks);
}

TEST_P(QuantBlocks, PartsOfBlocksAreAProgrammersError) {
  std::vector<float> values(kQuantBlock);
  std::vector<std::byte> block(static_cast<size_t>(block_bytes(GetParam())));
  EXPECT_THROW(quantize(values.data(), 31, GetParam(), block.data()), Error);
  EXPECT_THROW(dequantize(DType::kF32, block.data(), 32, values.data()), Error);
}

INSTANTIATE_TEST_SUITE_P(DTypes,
                         QuantBlocks,
                         testing::Values(DType::kQ8_0, DType::kQ4_0),
                         [](const auto& test) { return std::string(to_string(test.param)); });

}  // namespace
}  // namespace partita
