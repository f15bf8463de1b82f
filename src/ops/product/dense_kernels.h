// SPDX-License-Identifier: Apache-2.0
// Products of few rows with dense weights: the loops, and the layout of the weights, which is the
// one that oneDNN packs them to for many rows, so that one packed copy serves both. Included by
// files that are compiled for one instruction level.
#pragma once

#include <cstddef>
#include <cstdint>

namespace partita::ops {

// Tiles of 64 rows of w[n, k], filled up with zeros. A tile is one step of 256 bytes after the
// other: bf16 [k / 2][64][2], f32 [k][64]. (In oneDNN's words BA16a64b2a and BA16a64b of k x n.)
inline constexpr int64_t kDenseTileRows = 64;
inline constexpr int64_t kDenseStepBytes = 256;

// Rows of x as the steps take them, [step][rows]: pairs of bf16 (the last one of an odd k with a
// zero), or f32.
inline constexpr int64_t kFewRows = 8;
inline constexpr int64_t kDenseStepBytesPerRow = 4;

// y[row of x, row of weights] (f32, rows y_columns elements apart) = one panel times one tile,
// summed in f32 in the order of k, whatever the number of rows: a row of x gives the same bits
// beside up to 7 others.
struct DenseTileCall {
  const std::byte* tile;
  int64_t steps;
  const std::byte* panel;
  float* y;
  int64_t y_columns;
  int64_t tile_rows;  // 1 .. 64 rows that exist
};

using DenseTileKernel = void (*)(const DenseTileCall& call);
struct DenseKernels {
  // By the rows of the panel, 1 .. 8; entry 0 is null. bf16 subnormals count as zeros.
  DenseTileKernel f32[kFewRows + 1];
  DenseTileKernel bf16[kFewRows + 1];
};

// Null when the build has not this level. (On the lower levels oneDNN keeps other layouts, and its
// own products are used.)
[[nodiscard]] const DenseKernels* dense_kernels_avx512();

}  // namespace partita::ops
