// SPDX-License-Identifier: Apache-2.0
// Weights of 8 and 4 bits in blocks of 32 that share a scale, with the bytes of GGUF's Q8_0 and
// Q4_0.
#pragma once

#include <array>
#include <cstdint>

#include "support/dtype.h"

namespace partita {

inline constexpr int64_t kQuantBlock = 32;  // values of one block, neighbours in a row

// Value i is values[i] * scale.
struct Q8Block {
  Float16 scale;
  std::array<int8_t, kQuantBlock> values;
};

// Value i of the first half is (low nibble of values[i] - 8) * scale, value i + 16 is the same of
// the high nibble.
struct Q4Block {
  Float16 scale;
  std::array<uint8_t, kQuantBlock / 2> values;
};

static_assert(sizeof(Q8Block) == 34 && alignof(Q8Block) == 2);
static_assert(sizeof(Q4Block) == 18 && alignof(Q4Block) == 2);

// Quantises `count` values, a multiple of 32, to blocks of `dtype` (kQ8_0 or kQ4_0; CHECKs
// otherwise). Q8_0: scale = largest magnitude / 127, values to nearest, halves away from zero.
// Q4_0: scale = the value of largest magnitude / -8 (of several the first), so that this one value
// is exact up to the scale's rounding. The scale is rounded to f16 after the values were computed.
// Returns whether all blocks could be: those with NaN, infinity or a scale above f16 become zeros.
// `to` needs no alignment.
bool quantize(const float* from, int64_t count, DType dtype, void* to);

// The values of count / 32 blocks. `from` needs no alignment.
void dequantize(DType dtype, const void* from, int64_t count, float* to);

}  // namespace partita
