// SPDX-License-Identifier: Apache-2.0
// Attention of blocks of rows for processors with AVX2, FMA and F16C.
#include "ops/attention/block_kernels-inl.h"

namespace partita::ops::attention {

extern const BlockKernels kBlockKernelsAvx2 = kBlockKernels;

}  // namespace partita::ops::attention
