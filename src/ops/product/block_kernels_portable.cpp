// SPDX-License-Identifier: Apache-2.0
// Products with block-quantised weights for any processor of the build's target.
#include <cmath>
#include <cstring>

#include "ops/product/block_kernels-inl.h"

namespace partita::ops {
namespace {

// f16 -> f32 by shifting the fields; subnormals come out right through the multiplication.
float f16_to_f32(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(half & 0x7fffU) << 13;
  if (magnitude >= 0x0f800000U) {  // infinity and NaN
    return __builtin_bit_cast(float, sign | 0x7f800000U | (magnitude & 0x007fffffU));
  }
  constexpr float kExponentShift = 0x1p112F;  // 2 ^ (127 - 15)
  return __builtin_bit_cast(float, sign | magnitude) * kExponentShift;
}

struct Q8 {
  static constexpr int64_t kUnitBytes = kQ8UnitBytes;
  static int32_t quant(const uint8_t* quants, int64_t row, int64_t k) {
    const int64_t group = row / kGroupRows;
    return quants[group * 512 + k / 4 * 64 + row % kGroupRows * 4 + k % 4];
  }
};

struct Q4 {
  static constexpr int64_t kUnitBytes = kQ4UnitBytes;
  static int32_t quant(const uint8_t* quants, int64_t row, int64_t k) {
    const int64_t group = row / kGroupRows;
    const uint8_t pair = quants[group * 256 + k % 16 / 4 * 64 + row % kGroupRows * 4 + k % 4];
    return k < 16 ? pair & 15 : pair >> 4;
  }
};

// The quants of a unit as [row][k], for plain loops over k.
template <typename Format>
void unpack(const std::byte* unit, uint8_t* quants, float* scales) {
  const auto* packed = reinterpret_cast<const uint8_t*>(unit + kUnitScaleBytes);
  const auto* halves = reinterpret_cast<const uint16_t*>(unit);
  for (int64_t row = 0; row < kTileRows; ++row) {
    scales[row] = f16_to_f32(halves[row]);
    for (int64_t k = 0; k < kBlockColumns; ++k) {
      quants[row * kBlockColumns + k] = static_cast<uint8_t>(Format::quant(packed, row, k));
    }
  }
}

template <int kRows>
void add_unit(const uint8_t* quants, const float* scales, const std::byte* record, float* y) {
  const auto* x = reinterpret_cast<const int8_t*>(record);
  const auto* x_scales = reinterpret_cast<const float*>(record + kBlockColumns * kRows);
  const auto* starts = reinterpret_cast<const int32_t*>(x_scales + kRows);
  for (int row = 0; row < kRows; ++row) {
    int8_t values[kBlockColumns];  // NOLINT: nothing that could be code of another file
    for (int64_t part = 0; part < kBlockColumns / 4; ++part) {
      std::memcpy(values + part * 4, x + (part * kRows + row) * 4, 4);
    }
    for (int64_t tile_row = 0; tile_row < kTileRows; ++tile_row) {
      const uint8_t* weights = quants + tile_row * kBlockColumns;
      int32_t sum = starts[row];
      for (int64_t k = 0; k < kBlockColumns; ++k) sum += weights[k] * values[k];
      float& to = y[row * kTileRows + tile_row];
      to = std::fma(static_cast<float>(sum), scales[tile_row] * x_scales[row], to);
    }
  }
}

template <typename Format, int kRows>
void tile_product(const TileCall& call) {
  float y[kRows * kTileRows] = {};            // NOLINT
  uint8_t quants[kTileRows * kBlockColumns];  // NOLINT
  float scales[kTileRows];                    // NOLINT
  for (int64_t block = 0; block < call.blocks; ++block) {
    unpack<Format>(call.tile + block * Format::kUnitBytes, quants, scales);
    add_unit<kRows>(quants, scales, call.panel + block * kRecordBytesPerRow * kRows, y);
  }
  for (int64_t row = 0; row < kRows; ++row) {
    std::memcpy(call.y + row * call.y_columns, y + row * kTileRows,
                static_cast<size_t>(call.tile_rows) * sizeof(float));
  }
}

uint32_t most_bits_of(const float* x) {
  uint32_t most_bits = 0;
  for (int64_t i = 0; i < kBlockColumns; ++i) {
    const uint32_t bits = __builtin_bit_cast(uint32_t, x[i]) & 0x7fffffffU;
    most_bits = bits > most_bits ? bits : most_bits;
  }
  return most_bits;
}

void quantise(const QuantiseCall& call) {
  for (int64_t block = 0; block < call.blocks; ++block) {
    const float* x = call.x + block * kBlockColumns;
    const Scale scale = scale_of(most_bits_of(x));
    int8_t quants[kBlockColumns];  // NOLINT
    int32_t sum = 0;
    for (int64_t i = 0; i < kBlockColumns; ++i) {
      const float value = scale.inverse == 0 ? 0 : x[i] * scale.inverse;
      quants[i] = static_cast<int8_t>(std::lrintf(value));
      sum += quants[i];
    }
    int32_t words[kBlockColumns / 4];  // NOLINT
    std::memcpy(words, quants, sizeof(words));
    write_block(call, block, words, scale.scale, sum);
  }
}

}  // namespace

const BlockKernels& block_kernels_portable() { return kKernels; }

}  // namespace partita::ops
