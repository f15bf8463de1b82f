// SPDX-License-Identifier: Apache-2.0
// Reduction for processors with AVX2 and F16C. Sum of 8 KiB of 2 ranks in cache, baseline -> this
// file: f32 0.17 -> 0.11 us, bf16 2.1 -> 0.98, f16 17 -> 0.6.
#include "comm/reduce_kernels-inl.h"

namespace partita::comm {

void reduce_avx2(const ReduceArguments& arguments) { reduce_any(arguments); }

void sum_avx2(const SumArguments& arguments) { sum_any(arguments); }

void round_avx2(const float* from, uint16_t* to, int64_t count) {
  BFloat16Codec::narrow(from, to, count);
}

}  // namespace partita::comm
