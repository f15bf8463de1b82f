// SPDX-License-Identifier: Apache-2.0
// The loops of products with dense weights, one table of them per instruction level, and the layout
// of the weights that all levels share. Included by files that are compiled for one level: nothing
// here may become code that the linker could share between levels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/product/dense_pack.h"

namespace partita::ops {

// Tiles of 64 rows of w[n, k], filled up with zeros. A tile is one step of 256 bytes after the
// other: bf16 [k / 2][64][2], f32 [k][64]. (In oneDNN's words BA16a64b2a and BA16a64b of k x n: one
// packed copy serves oneDNN as well, where it has AVX-512.)
inline constexpr int64_t kDenseTileRows = 64;
inline constexpr int64_t kDenseStepBytes = 256;

// Rows of x as the steps take them, in panels of up to 8 rows, [step][rows]: f32, or pairs of bf16
// (the last one of an odd k with a zero), which a table that widens takes as pairs of f32.
inline constexpr int64_t kMostPanelRows = 8;

// y[row of x, row of weights] (f32, rows y_columns elements apart) = one panel times one tile,
// summed in f32 in the order of k, whatever the number of rows: a row of x gives the same bits
// beside others.
struct DenseTileCall {
  const std::byte* tile;  // its first step
  int64_t steps;
  const std::byte* panel;
  float* y;
  int64_t y_columns;
  int64_t tile_rows;  // 1 .. 64 rows that exist
  bool continues;     // the sums that are in y
};

using DenseTileKernel = void (*)(const DenseTileCall& call);
struct DenseKernels {
  int64_t f32_rows;  // most rows of a panel
  int64_t bf16_rows;
  bool widens;  // bf16 is computed as f32: exact products; else bf16 subnormals count as zeros
  // By the rows of the panel; entry 0 and those above the most are null.
  DenseTileKernel f32[kMostPanelRows + 1];
  DenseTileKernel bf16[kMostPanelRows + 1];
  DensePack pack = nullptr;  // of whole tiles and whole cache lines of k, if the level has one
};

// The tables; a level that the build has not gets the next lower one.
[[nodiscard]] const DenseKernels& dense_kernels_portable();
[[nodiscard]] const DenseKernels& dense_kernels_avx2();
[[nodiscard]] const DenseKernels& dense_kernels_avx512();

}  // namespace partita::ops
