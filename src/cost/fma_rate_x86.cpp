// SPDX-License-Identifier: Apache-2.0
// The widest of AVX-512, AVX2 and SSE2 that this processor has, as a GEMM library would choose.
#include "cost/fma_loop.h"
#include "cost/fma_rate.h"

namespace partita::cost {
namespace {

using Vector4 [[gnu::vector_size(16)]] = float;
using Vector8 [[gnu::vector_size(32)]] = float;
using Vector16 [[gnu::vector_size(64)]] = float;
using Bits4 [[gnu::vector_size(16)]] = uint32_t;
using Bits8 [[gnu::vector_size(32)]] = uint32_t;
using Bits16 [[gnu::vector_size(64)]] = uint32_t;

[[gnu::target("avx512f")]] double f32_avx512(int64_t rounds, float& sink) {
  return fma_loop<Vector16>(rounds, sink);
}
[[gnu::target("avx2,fma")]] double f32_avx2(int64_t rounds, float& sink) {
  return fma_loop<Vector8>(rounds, sink);
}
[[gnu::target("avx512f")]] double bf16_avx512(int64_t rounds, float& sink) {
  return bf16_loop<Vector16, Bits16>(rounds, sink);
}
[[gnu::target("avx2,fma")]] double bf16_avx2(int64_t rounds, float& sink) {
  return bf16_loop<Vector8, Bits8>(rounds, sink);
}

bool has_avx512() { return __builtin_cpu_supports("avx512f") != 0; }
bool has_avx2() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
}

}  // namespace

double run_f32_fma(int64_t rounds, float& sink) {
  if (has_avx512()) return f32_avx512(rounds, sink);
  if (has_avx2()) return f32_avx2(rounds, sink);
  return fma_loop<Vector4>(rounds, sink);
}

double run_bf16_fma(int64_t rounds, float& sink) {
  if (has_avx512()) return bf16_avx512(rounds, sink);
  if (has_avx2()) return bf16_avx2(rounds, sink);
  return bf16_loop<Vector4, Bits4>(rounds, sink);
}

}  // namespace partita::cost
