// SPDX-License-Identifier: Apache-2.0
// Vectors of 128 bits, which the compiler maps to what the processor has.
#include "cost/fma_loop.h"
#include "cost/fma_rate.h"

namespace partita::cost {

using Vector4 [[gnu::vector_size(16)]] = float;
using Bits4 [[gnu::vector_size(16)]] = uint32_t;

double run_f32_fma(int64_t rounds, float& sink) { return fma_loop<Vector4>(rounds, sink); }
double run_bf16_fma(int64_t rounds, float& sink) { return bf16_loop<Vector4, Bits4>(rounds, sink); }

}  // namespace partita::cost
