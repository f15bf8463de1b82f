// SPDX-License-Identifier: Apache-2.0
// Puts rows of dense weights into the tiles of dense_kernels.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace partita::ops {

// Columns come in so many steps of dense_kernels.h (two bf16 or one f32 of a row) at a time: a
// cache line of each row.
inline constexpr int64_t kDensePackSteps = 16;

// One whole tile of kDenseTileRows rows [64, steps] of 4-byte words, which become [steps, 64].
struct DensePackCall {
  const std::byte* plain;  // the first row; no alignment
  int64_t row_bytes;       // from row to row
  int64_t steps;           // a multiple of kDensePackSteps
  std::byte* tile;         // aligned to 64 bytes; written past the caches
};
using DensePack = void (*)(const DensePackCall& call);

// Null when the build has not this level. oneDNN's reorder gives the same bytes at about 1.5 GB/s
// on one core, where this one is bound by memory.
[[nodiscard]] DensePack dense_pack_avx512();

}  // namespace partita::ops
