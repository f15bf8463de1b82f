// SPDX-License-Identifier: Apache-2.0
// Reduction for any processor of the build's target.
#include "comm/reduce_kernels-inl.h"

namespace partita::comm {

void reduce_baseline(const ReduceArguments& arguments) { reduce_any(arguments); }

void sum_baseline(const SumArguments& arguments) { sum_any(arguments); }

void round_baseline(const float* from, uint16_t* to, int64_t count) {
  BFloat16Codec::narrow(from, to, count);
}

}  // namespace partita::comm
