// SPDX-License-Identifier: Apache-2.0
// Products with dense weights for AVX-512 with BF16.
#include "ops/product/dense_kernels.h"

#if defined(__AVX512BF16__)
#include "ops/product/dense_kernels-inl.h"

namespace partita::ops {
namespace {

// Pairs of bf16, both products added by one instruction.
struct DenseBF16 {
  static constexpr int64_t kWords = 1;
  using Weights = __m512bh;
  using Factor = __m512bh;
  static Weights weights(const std::byte* from) {
    return reinterpret_cast<__m512bh>(_mm512_load_si512(from));
  }
  static Factor factor(const float* x) {
    int32_t pair;
    __builtin_memcpy(&pair, x, sizeof(pair));
    return reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
  }
  static Vector add(Vector sum, const Weights& w, const Factor& x) {
    return {_mm512_dpbf16_ps(sum.value, w, x)};
  }
};

}  // namespace

const DenseKernels& dense_kernels_avx512() {
  static constexpr DenseKernels kKernels = {
      .f32_rows = 8,
      .bf16_rows = 8,
      .widens = false,
      .f32 = {nullptr, dense_tile_product<DenseF32, 1>, dense_tile_product<DenseF32, 2>,
              dense_tile_product<DenseF32, 3>, dense_tile_product<DenseF32, 4>,
              dense_tile_product<DenseF32, 5>, dense_tile_product<DenseF32, 6>,
              dense_tile_product<DenseF32, 7>, dense_tile_product<DenseF32, 8>},
      .bf16 = {nullptr, dense_tile_product<DenseBF16, 1>, dense_tile_product<DenseBF16, 2>,
               dense_tile_product<DenseBF16, 3>, dense_tile_product<DenseBF16, 4>,
               dense_tile_product<DenseBF16, 5>, dense_tile_product<DenseBF16, 6>,
               dense_tile_product<DenseBF16, 7>, dense_tile_product<DenseBF16, 8>},
      .pack = dense_pack_avx512};
  return kKernels;
}

}  // namespace partita::ops
#else
namespace partita::ops {
const DenseKernels& dense_kernels_avx512() { return dense_kernels_avx2(); }
}  // namespace partita::ops
#endif
