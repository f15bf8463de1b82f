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
// other: bf16 [k / 2][64][2], f32 [k][64].
inline constexpr int64_t kDenseTileRows = 64;
inline constexpr int64_t kDenseStepBytes = 256;

// Rows of x as the steps take them, in panels of up to 8 rows: [step][rows][words of 32 bits].
//   f32 weights         one f32
//   bf16, rounded       a pair of bf16, the same number of both k of the step
//   bf16, split         a pair of bf16 of the number, and a pair of what the first ones lack
//   bf16, widened       a pair of f32: either rounded to bf16 or not
// The last step of an odd k has a zero.
inline constexpr int64_t kMostPanelRows = 8;
struct DensePanelCall {
  const float* const* x;  // the rows of the panel, each x[k]
  int64_t rows;
  int64_t k;
  int64_t first_step;  // of those that are made
  int64_t end_step;
  std::byte* panel;  // where the first one goes
};

// y[row of x, row of weights] (f32, contiguous rows of 64, aligned to 64 bytes) = one panel times
// some steps of one tile, summed in f32 in the order of k, whatever the number of rows: a row of x
// gives the same bits beside others.
struct DenseTileCall {
  const std::byte* weights;  // the first step
  int64_t steps;
  const std::byte* panel;  // at the same step
  float* y;
  bool continues;  // the sums that are in y, else from zero
  // Weights that are fetched to the cache in the meantime: so many bytes during each step.
  const std::byte* ahead;
  int64_t ahead_bytes;
};

using DenseTileKernel = void (*)(const DenseTileCall& call);
using DensePanelKernel = void (*)(const DensePanelCall& call);

// How one kind of weights and panels is multiplied. Kernels by the rows of the panel; entry 0 and
// those above the most are null.
struct DenseLoops {
  int64_t most_rows;   // of a panel
  int64_t whole_rows;  // up to so many, `alone` takes all columns of the tile in one pass
  int64_t words;       // of a row and step of the panel
  DensePanelKernel panel;
  DenseTileKernel alone[kMostPanelRows + 1];   // a panel without others: weights from memory
  DenseTileKernel beside[kMostPanelRows + 1];  // one of several: weights from the cache
};

struct DenseKernels {
  bool widens;  // bf16 is computed as f32: exact products; else bf16 subnormals count as zeros
  DenseLoops f32;
  DenseLoops bf16;           // x is rounded to bf16
  DenseLoops bf16_exact;     // x is split, or stays f32
  DensePack pack = nullptr;  // of whole tiles and whole cache lines of k, if the level has one
};

// The tables; a level that the build has not gets the next lower one.
[[nodiscard]] const DenseKernels& dense_kernels_portable();
[[nodiscard]] const DenseKernels& dense_kernels_avx2();
[[nodiscard]] const DenseKernels& dense_kernels_avx512();

}  // namespace partita::ops
