// SPDX-License-Identifier: Apache-2.0
// The loops of products with block-quantised weights, one table of them per instruction level, and
// the layouts that all levels share. Included by files that are compiled for one level: nothing
// here may become code that the linker could share between levels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace partita::ops {

// Packed weights: tiles of 32 rows; a tile is one unit per block of 32 columns (k), in the order of
// k; a unit is the 32 scales (f16) of its rows, then the quants of rows 0 .. 15, then those of rows
// 16 .. 31. Everything is read once, front to back, as one stream of whole cache lines, and a tile
// takes as many bytes as its rows did.
//
// Quants are unsigned, as the instruction that multiplies u8 with s8 wants them, value = (quant -
// zero) * scale. A vector holds 4 consecutive k of 16 rows, [row][4]; q8_0 (zero 128) has 8 of them
// per block and q4_0 (zero 8) 4, with k 4j .. 4j+3 in the low and 16+4j .. in the high nibbles.
inline constexpr int64_t kBlockColumns = 32;
inline constexpr int64_t kTileRows = 32;
inline constexpr int64_t kGroupRows = 16;
inline constexpr int64_t kUnitScaleBytes = kTileRows * 2;
inline constexpr int64_t kQ8UnitBytes = kUnitScaleBytes + kTileRows * kBlockColumns;
inline constexpr int64_t kQ4UnitBytes = kUnitScaleBytes + kTileRows * kBlockColumns / 2;

// Quantised rows of x: panels of up to 8 rows. A panel of m rows is one record per block of k:
// quants s8 [k / 4 of the block][m][4], scales f32 [m], and for each row -zero * (sum of its
// quants) s32 [m], with which sums over unsigned weights start.
inline constexpr int64_t kPanelRows = 8;
inline constexpr int64_t kRecordBytesPerRow = kBlockColumns + 4 + 4;

// Quantises one row of x as row `row` of a panel of `rows`. scale = largest magnitude / 127,
// quants rounded to nearest even. A block with a value that is not finite gets a NaN for a scale,
// so that every output of that row is NaN; a block whose magnitudes are all below kLeastMagnitude
// becomes zeros, as the reciprocal of its scale would overflow.
inline constexpr float kLeastMagnitude = 1e-30F;
struct QuantiseCall {
  const float* x;
  int64_t blocks;
  int32_t zero;  // of the weights
  std::byte* panel;
  int64_t rows;
  int64_t row;
};

// y[row of x, row of weights] (f32, rows y_columns elements apart) = one panel times one tile.
// Sums over a block are exact (s32); blocks are added in f32 in the order of k, each as
// fma(sum, weight scale * x scale, y), whatever the panel: a row of x gives the same bits in every
// batch.
struct TileCall {
  const std::byte* tile;
  int64_t blocks;
  const std::byte* panel;
  float* y;
  int64_t y_columns;
  int64_t tile_rows;  // 1 .. 32 rows that exist
};

using TileKernel = void (*)(const TileCall& call);
struct BlockKernels {
  void (*quantise)(const QuantiseCall& call);
  // By the rows of the panel, 1 .. 8; entry 0 is null.
  TileKernel q8[kPanelRows + 1];
  TileKernel q4[kPanelRows + 1];
};

// The tables; a level that the build has not gets the next lower one.
[[nodiscard]] const BlockKernels& block_kernels_portable();
[[nodiscard]] const BlockKernels& block_kernels_avx2();
[[nodiscard]] const BlockKernels& block_kernels_avx512();

}  // namespace partita::ops
