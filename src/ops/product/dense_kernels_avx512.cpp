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

// The same with x in two parts, which meet the same weights.
struct DenseSplitBF16 {
  static constexpr int64_t kWords = 2;
  using Weights = __m512bh;
  struct Factor {
    __m512bh high;
    __m512bh low;
  };
  static Weights weights(const std::byte* from) { return DenseBF16::weights(from); }
  static Factor factor(const float* x) { return {DenseBF16::factor(x), DenseBF16::factor(x + 1)}; }
  static Vector add(Vector sum, const Weights& w, const Factor& x) {
    return DenseBF16::add(DenseBF16::add(sum, w, x.high), w, x.low);
  }
};

}  // namespace

const DenseKernels& dense_kernels_avx512() {
  static constexpr DenseKernels kKernels = {
      .widens = false,
      .f32 = dense_loops<DenseF32, PanelF32, 8>(),
      .bf16 = dense_loops<DenseBF16, PanelRounded, 8>(),
      .bf16_exact = dense_loops<DenseSplitBF16, PanelSplit, 8>(),
      .pack = dense_pack_avx512};
  return kKernels;
}

}  // namespace partita::ops
#else
namespace partita::ops {
const DenseKernels& dense_kernels_avx512() { return dense_kernels_avx2(); }
}  // namespace partita::ops
#endif
