// SPDX-License-Identifier: Apache-2.0
// Row kernels for any processor of the build's target.
#include "ops/vector/row_kernels-inl.h"

namespace partita::ops {

extern const RowKernels kRowKernelsPortable = kRowKernels;

}  // namespace partita::ops
