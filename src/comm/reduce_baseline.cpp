// SPDX-License-Identifier: Apache-2.0
// Reduction for any processor of the build's target.
#include "comm/reduce_kernels-inl.h"

namespace partita::comm {

void reduce_baseline(const ReduceArguments& arguments) { reduce_any(arguments); }

}  // namespace partita::comm
