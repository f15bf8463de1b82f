// SPDX-License-Identifier: Apache-2.0
// Row kernels for processors with AVX-512.
#include "ops/vector/row_kernels-inl.h"

namespace partita::ops {

extern const RowKernels kRowKernelsAvx512 = kRowKernels;

}  // namespace partita::ops
