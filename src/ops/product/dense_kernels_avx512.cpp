// SPDX-License-Identifier: Apache-2.0
// Products of few rows with dense weights for AVX-512 with BF16.
#include "ops/product/dense_kernels.h"

#if defined(__AVX512BF16__)
#include <immintrin.h>

namespace partita::ops {
namespace {

constexpr int64_t kPrefetchBytes = 8192;  // as for weights in blocks
constexpr int64_t kCacheLine = 64;
constexpr int kVectors = kDenseTileRows / 16;

struct F32 {
  static __m512 add(__m512 sum, __m512i weights, int32_t x) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(weights), _mm512_castsi512_ps(_mm512_set1_epi32(x)),
                           sum);
  }
};

struct BF16 {
  static __m512 add(__m512 sum, __m512i weights, int32_t x) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(weights),
                            reinterpret_cast<__m512bh>(_mm512_set1_epi32(x)));
  }
};

struct Steps {
  const std::byte* weights;  // of the first vector that is asked for
  const int32_t* x;
  int64_t count;
};

// y[kRows][64], of which kUsed vectors of 16 are continued. kLines: cache lines of each step that
// are fetched ahead.
template <typename Type, int kRows, int kUsed, int kLines>
inline void add_steps(const Steps& steps, float* y) {
  __m512 sums[kUsed][kRows];  // NOLINT: std::array would be code shared between instruction sets
  for (int vector = 0; vector < kUsed; ++vector) {
    for (int row = 0; row < kRows; ++row) {
      sums[vector][row] = _mm512_load_ps(y + row * kDenseTileRows + vector * 16);
    }
  }
  const std::byte* weights = steps.weights;
  const int32_t* x = steps.x;
  for (int64_t step = 0; step < steps.count; ++step) {
#pragma GCC unroll 4
    for (int line = 0; line < kLines; ++line) {
      _mm_prefetch(reinterpret_cast<const char*>(weights) + kPrefetchBytes + line * kCacheLine,
                   _MM_HINT_T0);
    }
    __m512i own[kUsed];  // NOLINT
#pragma GCC unroll 4
    for (int vector = 0; vector < kUsed; ++vector) {
      own[vector] = _mm512_load_si512(weights + vector * 64);
    }
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
      for (int vector = 0; vector < kUsed; ++vector) {
        sums[vector][row] = Type::add(sums[vector][row], own[vector], x[row]);
      }
    }
    weights += kDenseStepBytes;
    x += kRows;
  }
  for (int vector = 0; vector < kUsed; ++vector) {
    for (int row = 0; row < kRows; ++row) {
      _mm512_store_ps(y + row * kDenseTileRows + vector * 16, sums[vector][row]);
    }
  }
}

// Sums of more than 6 rows and 64 columns do not fit into the 32 registers: the columns are done in
// two halves, alternating every 16 KiB of weights, which stay in the L1 cache for the second half.
template <typename Type, int kRows>
void tile_product(const DenseTileCall& call) {
  constexpr int64_t kHalvesSteps = 64;
  alignas(64) float y[kRows * kDenseTileRows] = {};  // NOLINT
  const auto* x = reinterpret_cast<const int32_t*>(call.panel);
  if constexpr (kRows <= 6) {
    add_steps<Type, kRows, kVectors, 4>({call.tile, x, call.steps}, y);
  } else {
    for (int64_t step = 0; step < call.steps; step += kHalvesSteps) {
      const int64_t left = call.steps - step;
      Steps steps{call.tile + step * kDenseStepBytes, x + step * kRows,
                  left < kHalvesSteps ? left : kHalvesSteps};
      add_steps<Type, kRows, kVectors / 2, 4>(steps, y);
      steps.weights += kDenseStepBytes / 2;
      add_steps<Type, kRows, kVectors / 2, 0>(steps, y + kDenseTileRows / 2);
    }
  }
  for (int vector = 0; vector < kVectors; ++vector) {
    const int64_t left = call.tile_rows - vector * 16;
    if (left <= 0) break;
    const auto mask = static_cast<__mmask16>(left >= 16 ? 0xffff : (1 << left) - 1);
    for (int row = 0; row < kRows; ++row) {
      _mm512_mask_storeu_ps(call.y + row * call.y_columns + vector * 16, mask,
                            _mm512_load_ps(y + row * kDenseTileRows + vector * 16));
    }
  }
}

constexpr DenseKernels kKernels = {
    {nullptr, tile_product<F32, 1>, tile_product<F32, 2>, tile_product<F32, 3>,
     tile_product<F32, 4>, tile_product<F32, 5>, tile_product<F32, 6>, tile_product<F32, 7>,
     tile_product<F32, 8>},
    {nullptr, tile_product<BF16, 1>, tile_product<BF16, 2>, tile_product<BF16, 3>,
     tile_product<BF16, 4>, tile_product<BF16, 5>, tile_product<BF16, 6>, tile_product<BF16, 7>,
     tile_product<BF16, 8>}};

}  // namespace

const DenseKernels* dense_kernels_avx512() { return &kKernels; }

}  // namespace partita::ops
#else
namespace partita::ops {
const DenseKernels* dense_kernels_avx512() { return nullptr; }
}  // namespace partita::ops
#endif
