// SPDX-License-Identifier: Apache-2.0
// Weights that are stored in blocks: quantised while they are read, whatever piece is read, or
// copied as they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>

#include "formats/safetensors_writer.h"
#include "formats/test_directory.h"
#include "runtime/weight_loader.h"
#include "support/error.h"
#include "support/quant_blocks.h"

namespace partita::runtime {
namespace {

using formats::Checkpoint;
using formats::TestDirectory;
using ir::WeightSource;
using testing::HasSubstr;
using Bytes = std::vector<std::byte>;

std::vector<float> random_values(int64_t count) {
  std::mt19937 random(5);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(random() >> 8) * 0x1p-23F - 1.0F;
  return values;
}

Bytes quantized(const std::vector<float>& values, DType dtype) {
  Bytes blocks(static_cast<size_t>(bytes_of(dtype, static_cast<int64_t>(values.size()))));
  quantize(values.data(), static_cast<int64_t>(values.size()), dtype, blocks.data());
  return blocks;
}

Bytes bytes_of_floats(const std::vector<float>& values) {
  Bytes bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

void write_tensor(const TestDirectory& directory,
                  DType dtype,
                  std::vector<int64_t> shape,
                  const Bytes& bytes) {
  formats::SafetensorsWriter writer(directory.path() / "model.safetensors",
                                    {{"w", dtype, std::move(shape)}});
  writer.append(bytes);
  writer.finish();
}

Bytes load(const Checkpoint& checkpoint, const WeightSource& source, DType dtype) {
  ir::TensorType type = type_of(checkpoint, source);
  type.dtype = dtype;
  Bytes bytes(static_cast<size_t>(type.bytes()));
  LoadScratch scratch;
  load_weight(checkpoint, source, type, bytes.data(), scratch);
  return bytes;
}

class BlockWeights : public testing::TestWithParam<DType> {
 protected:
  TestDirectory directory_;
  WeightSource w_ = WeightSource::from_tensor("w");
};

// 700 rows of 1600: more than is quantised at once.
TEST_P(BlockWeights, PiecesAreThoseOfTheQuantisedWhole) {
  constexpr int64_t kRows = 700;
  constexpr int64_t kWidth = 1600;
  const std::vector<float> values = random_values(kRows * kWidth);
  write_tensor(directory_, DType::kF32, {kRows, kWidth}, bytes_of_floats(values));
  const Checkpoint checkpoint = Checkpoint::open(directory_.path());
  const Bytes whole = quantized(values, GetParam());
  EXPECT_EQ(load(checkpoint, w_, GetParam()), whole);
  const int64_t row_bytes = bytes_of(GetParam(), kWidth);
  const Bytes rows = load(checkpoint, w_.slice(0, {3, 690}), GetParam());
  EXPECT_TRUE(std::equal(rows.begin(), rows.end(), whole.begin() + 3 * row_bytes));
  const Bytes columns = load(checkpoint, w_.slice(1, {64, 1056}), GetParam());
  const int64_t piece_bytes = bytes_of(GetParam(), 992);
  for (int64_t row = 0; row < kRows; ++row) {
    ASSERT_TRUE(std::equal(columns.begin() + row * piece_bytes,
                           columns.begin() + (row + 1) * piece_bytes,
                           whole.begin() + row * row_bytes + bytes_of(GetParam(), 64)))
        << row;
  }
}

TEST_P(BlockWeights, TransposedTensorsAreQuantisedAfterTheTranspose) {
  const std::vector<float> values = random_values(96 * 5);
  write_tensor(directory_, DType::kF32, {96, 5}, bytes_of_floats(values));
  std::vector<float> turned;
  for (size_t column = 0; column < 5; ++column) {
    for (size_t row = 0; row < 96; ++row) turned.push_back(values[row * 5 + column]);
  }
  const Checkpoint checkpoint = Checkpoint::open(directory_.path());
  EXPECT_EQ(load(checkpoint, w_.transpose({1, 0}), GetParam()), quantized(turned, GetParam()));
}

TEST_P(BlockWeights, ExpertsAreQuantisedMatrixByMatrix) {
  const std::vector<float> values = random_values(3 * 600 * 1024);  // a matrix is more than a part
  write_tensor(directory_, DType::kF32, {3, 600, 1024}, bytes_of_floats(values));
  const Checkpoint checkpoint = Checkpoint::open(directory_.path());
  EXPECT_EQ(load(checkpoint, w_, GetParam()), quantized(values, GetParam()));
  const Bytes small = load(checkpoint, w_.slice(1, {0, 2}), GetParam());
  EXPECT_EQ(static_cast<int64_t>(small.size()), bytes_of(GetParam(), 3 * 2 * 1024));
}

TEST_P(BlockWeights, StoredBlocksAreCopiedInAnyCutBetweenThem) {
  const std::vector<float> values = random_values(6 * 96);
  const Bytes blocks = quantized(values, GetParam());
  write_tensor(directory_, GetParam(), {6, 96}, blocks);
  const Checkpoint checkpoint = Checkpoint::open(directory_.path());
  EXPECT_EQ(checkpoint.find("w").info->dtype, GetParam());
  EXPECT_EQ(checkpoint.find("w").info->elements(), 6 * 96);
  EXPECT_EQ(load(checkpoint, w_, GetParam()), blocks);
  const Bytes piece = load(checkpoint, w_.slice(0, {2, 4}).slice(1, {32, 96}), GetParam());
  const int64_t block = block_bytes(GetParam());
  for (int64_t row = 0; row < 2; ++row) {
    EXPECT_TRUE(std::equal(piece.begin() + row * 2 * block, piece.begin() + (row + 1) * 2 * block,
                           blocks.begin() + ((row + 2) * 3 + 1) * block));
  }
  EXPECT_EQ(checkpoint.bytes_read(), static_cast<int64_t>(blocks.size() + piece.size()));
}

TEST_P(BlockWeights, StoredBlocksAreRestoredForOtherTypes) {
  const std::vector<float> values = random_values(4 * 64);
  const Bytes blocks = quantized(values, GetParam());
  write_tensor(directory_, GetParam(), {4, 64}, blocks);
  std::vector<float> restored(values.size());
  dequantize(GetParam(), blocks.data(), 4 * 64, restored.data());
  const Checkpoint checkpoint = Checkpoint::open(directory_.path());
  EXPECT_EQ(load(checkpoint, w_, DType::kF32), bytes_of_floats(restored));
  // A cut within blocks, and a transpose.
  const Bytes piece = load(checkpoint, w_.slice(1, {40, 47}).transpose({1, 0}), DType::kF32);
  std::vector<float> expected;
  for (size_t column = 40; column < 47; ++column) {
    for (size_t row = 0; row < 4; ++row) expected.push_back(restored[row * 64 + column]);
  }
  EXPECT_EQ(piece, bytes_of_floats(expected));
}

TEST_P(BlockWeights, WhatHasNoBlocksIsRefusedByName) {
  std::vector<float> values = random_values(4 * 64);
  values[100] = std::numeric_limits<float>::quiet_NaN();
  write_tensor(directory_, DType::kF32, {4, 64}, bytes_of_floats(values));
  try {
    (void)load(Checkpoint::open(directory_.path()), w_, GetParam());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidFile);
    EXPECT_THAT(error.what(), HasSubstr("tensor(\"w\")"));
    EXPECT_THAT(error.what(), HasSubstr("holds NaN"));
  }
}

TEST_P(BlockWeights, StoredBlocksThatWouldBeTransposedAreRefusedByName) {
  write_tensor(directory_, GetParam(), {32, 64}, quantized(random_values(32 * 64), GetParam()));
  try {
    (void)load(Checkpoint::open(directory_.path()), w_.transpose({1, 0}), GetParam());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("tensor w is stored in blocks"));
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, BlockWeights, testing::Values(DType::kQ8_0, DType::kQ4_0));

}  // namespace
}  // namespace partita::runtime
