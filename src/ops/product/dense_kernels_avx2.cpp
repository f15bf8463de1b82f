// SPDX-License-Identifier: Apache-2.0
// Products with dense weights for AVX2 with FMA.
#include "ops/product/dense_kernels.h"

#if defined(__AVX2__) && defined(__FMA__)
#include "ops/product/dense_kernels-inl.h"

namespace partita::ops {

const DenseKernels& dense_kernels_avx2() {
  // More rows of bf16 lack registers: 4 rows 0.82 of the peak, 6 rows 0.71.
  static constexpr DenseKernels kKernels = {
      .widens = true,
      .f32 = dense_loops<DenseF32, PanelF32, 6>(),
      .bf16 = dense_loops<DenseWidenedBF16, PanelRoundedF32, 4>(),
      .bf16_exact = dense_loops<DenseWidenedBF16, PanelPairs, 4>()};
  return kKernels;
}

}  // namespace partita::ops
#else
namespace partita::ops {
const DenseKernels& dense_kernels_avx2() { return dense_kernels_portable(); }
}  // namespace partita::ops
#endif
