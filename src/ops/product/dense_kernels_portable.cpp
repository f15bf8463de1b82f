// SPDX-License-Identifier: Apache-2.0
// Products with dense weights for any processor of the build's target.
#include "ops/product/dense_kernels-inl.h"

namespace partita::ops {

const DenseKernels& dense_kernels_portable() {
  static constexpr DenseKernels kKernels = {
      .f32_rows = 4,
      .bf16_rows = 4,
      .widens = true,
      .f32 = {nullptr, dense_tile_product<DenseF32, 1>, dense_tile_product<DenseF32, 2>,
              dense_tile_product<DenseF32, 3>, dense_tile_product<DenseF32, 4>},
      .bf16 = {nullptr, dense_tile_product<DenseWidenedBF16, 1>,
               dense_tile_product<DenseWidenedBF16, 2>, dense_tile_product<DenseWidenedBF16, 3>,
               dense_tile_product<DenseWidenedBF16, 4>}};
  return kKernels;
}

}  // namespace partita::ops
