// SPDX-License-Identifier: Apache-2.0
// Attention of blocks of rows for any processor of the build's target.
#include "ops/attention/block_kernels-inl.h"

namespace partita::ops::attention {

extern const BlockKernels kBlockKernelsPortable = kBlockKernels;

}  // namespace partita::ops::attention
