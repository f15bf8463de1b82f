// SPDX-License-Identifier: Apache-2.0
// Attention of blocks of rows for processors with AVX-512.
#include "ops/attention/block_kernels-inl.h"

namespace partita::ops::attention {

extern const BlockKernels kBlockKernelsAvx512 = kBlockKernels;

}  // namespace partita::ops::attention
