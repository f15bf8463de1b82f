// SPDX-License-Identifier: Apache-2.0
// Quantising and restoring blocks of weights.
#include "support/quant_blocks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>

#include "support/error.h"

namespace partita {
namespace {

constexpr size_t kHalf = kQuantBlock / 2;
constexpr int32_t kMagnitudeBits = 0x7fffffff;
constexpr float kBelowHalf = 0x1.fffffep-2F;  // the largest f32 below 0.5

// Bits of the largest magnitude. Those of floats sort like their values, infinity and NaN last.
int32_t largest_magnitude_bits(const float* from) {
  int32_t largest = 0;
  for (int64_t i = 0; i < kQuantBlock; ++i) {
    largest = std::max(largest, std::bit_cast<int32_t>(from[i]) & kMagnitudeBits);
  }
  return largest;
}

// 1 / scale; 0 where that is infinite: the scale is 0 in f16 then.
float inverse_of(float scale) {
  return std::fabs(scale) < std::numeric_limits<float>::min() ? 0 : 1.0F / scale;
}

bool is_scale(Float16 scale) { return (scale.bits & 0x7c00U) != 0x7c00U; }

bool quantize_block(const float* from, Q8Block& block) {
  const float scale = std::bit_cast<float>(largest_magnitude_bits(from)) / 127.0F;
  block.scale = Float16::from_float(scale);
  if (!is_scale(block.scale)) return false;
  const float inverse = inverse_of(scale);
  std::array<int32_t, kQuantBlock> rounded;
  for (size_t i = 0; i < rounded.size(); ++i) {
    // Rounds like std::round() below 2^22, and vectorises.
    const float x = from[i] * inverse;
    rounded[i] = static_cast<int32_t>(x + std::copysign(kBelowHalf, x));
  }
  for (size_t i = 0; i < rounded.size(); ++i) block.values[i] = static_cast<int8_t>(rounded[i]);
  return true;
}

bool quantize_block(const float* from, Q4Block& block) {
  const int32_t largest = largest_magnitude_bits(from);
  const float* extreme = std::find_if(from, from + kQuantBlock, [largest](float value) {
    return (std::bit_cast<int32_t>(value) & kMagnitudeBits) == largest;
  });
  const float scale = *extreme / -8.0F;
  block.scale = Float16::from_float(scale);
  if (!is_scale(block.scale)) return false;
  const float inverse = inverse_of(scale);
  const auto nibble = [inverse](float value) {
    return static_cast<uint8_t>(std::min(15, static_cast<int32_t>(value * inverse + 8.5F)));
  };
  for (size_t i = 0; i < kHalf; ++i) {
    block.values[i] = static_cast<uint8_t>(nibble(from[i]) | nibble(from[i + kHalf]) << 4);
  }
  return true;
}

void restore_block(const Q8Block& block, float* to) {
  const float scale = block.scale.to_float();
  for (size_t i = 0; i < block.values.size(); ++i) {
    to[i] = static_cast<float>(block.values[i]) * scale;
  }
}

void restore_block(const Q4Block& block, float* to) {
  const float scale = block.scale.to_float();
  for (size_t i = 0; i < kHalf; ++i) {
    to[i] = static_cast<float>((block.values[i] & 0xf) - 8) * scale;
    to[i + kHalf] = static_cast<float>((block.values[i] >> 4) - 8) * scale;
  }
}

template <typename Block>
bool quantize_all(const float* from, int64_t count, void* to) {
  auto* bytes = static_cast<std::byte*>(to);
  bool is_good = true;
  for (int64_t i = 0; i < count; i += kQuantBlock, bytes += sizeof(Block)) {
    Block block;
    if (!quantize_block(from + i, block)) {
      block = {};
      is_good = false;
    }
    std::memcpy(bytes, &block, sizeof(Block));
  }
  return is_good;
}

template <typename Block>
void restore_all(const void* from, int64_t count, float* to) {
  const auto* bytes = static_cast<const std::byte*>(from);
  for (int64_t i = 0; i < count; i += kQuantBlock, bytes += sizeof(Block)) {
    Block block;
    std::memcpy(&block, bytes, sizeof(Block));
    restore_block(block, to + i);
  }
}

void check(DType dtype, int64_t count) {
  CHECK(dtype == DType::kQ8_0 || dtype == DType::kQ4_0, to_string(dtype), " has no blocks");
  CHECK(count >= 0 && count % kQuantBlock == 0, count, " values are no whole blocks");
}

}  // namespace

bool quantize(const float* from, int64_t count, DType dtype, void* to) {
  check(dtype, count);
  return dtype == DType::kQ8_0 ? quantize_all<Q8Block>(from, count, to)
                               : quantize_all<Q4Block>(from, count, to);
}

void dequantize(DType dtype, const void* from, int64_t count, float* to) {
  check(dtype, count);
  if (dtype == DType::kQ8_0) {
    restore_all<Q8Block>(from, count, to);
  } else {
    restore_all<Q4Block>(from, count, to);
  }
}

}  // namespace partita
