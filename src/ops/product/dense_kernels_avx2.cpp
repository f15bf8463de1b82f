// SPDX-License-Identifier: Apache-2.0
// Products with dense weights for AVX2 with FMA.
#include "ops/product/dense_kernels.h"

#if defined(__AVX2__) && defined(__FMA__)
#include "ops/product/dense_kernels-inl.h"

namespace partita::ops {

const DenseKernels& dense_kernels_avx2() {
  static constexpr DenseKernels kKernels = {
      .f32_rows = 6,
      .bf16_rows = 4,  // more lack registers: 4 rows 0.82 of the peak, 6 rows 0.71
      .widens = true,
      .f32 = {nullptr, dense_tile_product<DenseF32, 1>, dense_tile_product<DenseF32, 2>,
              dense_tile_product<DenseF32, 3>, dense_tile_product<DenseF32, 4>,
              dense_tile_product<DenseF32, 5>, dense_tile_product<DenseF32, 6>},
      .bf16 = {nullptr, dense_tile_product<DenseWidenedBF16, 1>,
               dense_tile_product<DenseWidenedBF16, 2>, dense_tile_product<DenseWidenedBF16, 3>,
               dense_tile_product<DenseWidenedBF16, 4>}};
  return kKernels;
}

}  // namespace partita::ops
#else
namespace partita::ops {
const DenseKernels& dense_kernels_avx2() { return dense_kernels_portable(); }
}  // namespace partita::ops
#endif
