// SPDX-License-Identifier: Apache-2.0
// What the kernels of products with block-quantised weights share between levels of instructions;
// compiled for each of them.
//
// Who includes this defines what is declared first: the formats of weights, the product of one tile
// and the quantiser of rows.
#pragma once

#include "ops/product/block_kernels.h"

namespace partita::ops {
namespace {

struct Q8;
struct Q4;
template <typename Format, int kRows>
void tile_product(const TileCall& call);
void quantise(const QuantiseCall& call);

// Of a block of a row. `inverse` is 0 where all quants are: values times it could be NaN, which has
// no integer.
struct Scale {
  float scale;
  float inverse;
};

// Of a block whose largest magnitude has these bits. Magnitudes compare like integers, with
// infinity and NaN above all others.
inline Scale scale_of(uint32_t most_bits) {
  if (most_bits >= 0x7f800000U) return {__builtin_nanf(""), 0};
  const float most = __builtin_bit_cast(float, most_bits);
  if (most < kLeastMagnitude) return {0, 0};
  return {most / 127.0F, 127.0F / most};
}

// Writes a quantised block of a row: its quants, 4 of them per word, which add up to `sum`.
inline void write_block(
    const QuantiseCall& call, int64_t block, const int32_t* quants, float scale, int32_t sum) {
  std::byte* record = call.panel + block * kRecordBytesPerRow * call.rows;
  auto* to = reinterpret_cast<int32_t*>(record) + call.row;
  for (int64_t part = 0; part < kBlockColumns / 4; ++part) to[part * call.rows] = quants[part];
  auto* scales = reinterpret_cast<float*>(record + kBlockColumns * call.rows);
  scales[call.row] = scale;
  reinterpret_cast<int32_t*>(scales + call.rows)[call.row] = -call.zero * sum;
}

template <int kRows>
constexpr void fill_table(BlockKernels& kernels) {
  kernels.q8[kRows] = tile_product<Q8, kRows>;
  kernels.q4[kRows] = tile_product<Q4, kRows>;
  if constexpr (kRows < kPanelRows) fill_table<kRows + 1>(kernels);
}

constexpr BlockKernels make_table() {
  BlockKernels kernels = {quantise, {}, {}};
  fill_table<1>(kernels);
  return kernels;
}

constexpr BlockKernels kKernels = make_table();

}  // namespace
}  // namespace partita::ops
