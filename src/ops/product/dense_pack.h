// SPDX-License-Identifier: Apache-2.0
// Puts rows of dense weights into the tiles of dense_kernels.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace partita::ops {

// A row's part of a step of dense_kernels.h: two bf16 or one f32.
inline constexpr int64_t kDenseWordBytes = 4;

// Columns come in so many steps at a time: a cache line of each row.
inline constexpr int64_t kDensePackSteps = 16;

// One whole tile of kDenseTileRows rows [64, steps] of 4-byte words, which become [steps, 64].
struct DensePackCall {
  const std::byte* plain;  // the first row; no alignment
  int64_t row_bytes;       // from row to row
  int64_t steps;           // a multiple of kDensePackSteps
  std::byte* tile;         // aligned to 64 bytes; written past the caches
};
using DensePack = void (*)(const DensePackCall& call);

// Exists where the build has this level. oneDNN's reorder gives the same bytes at about 1.5 GB/s on
// one core, where this one is bound by memory.
void dense_pack_avx512(const DensePackCall& call);

}  // namespace partita::ops
