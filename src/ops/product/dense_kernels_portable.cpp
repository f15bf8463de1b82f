// SPDX-License-Identifier: Apache-2.0
// Products with dense weights for any processor of the build's target.
#include "ops/product/dense_kernels-inl.h"

namespace partita::ops {

const DenseKernels& dense_kernels_portable() {
  static constexpr DenseKernels kKernels = {
      .widens = true,
      .f32 = dense_loops<DenseF32, PanelF32, 4>(),
      .bf16 = dense_loops<DenseWidenedBF16, PanelRoundedF32, 4>(),
      .bf16_exact = dense_loops<DenseWidenedBF16, PanelPairs, 4>()};
  return kKernels;
}

}  // namespace partita::ops
