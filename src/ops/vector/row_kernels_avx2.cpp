// SPDX-License-Identifier: Apache-2.0
// Row kernels for processors with AVX2, FMA and F16C.
#include "ops/vector/row_kernels-inl.h"

namespace partita::ops {

extern const RowKernels kRowKernelsAvx2 = kRowKernels;

}  // namespace partita::ops
