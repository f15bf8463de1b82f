// SPDX-License-Identifier: Apache-2.0
// Limits with AVX-512, VNNI and BF16.
#include "api/bench/limit_loops.h"

#if defined(__AVX512VNNI__) && defined(__AVX512BF16__)
#include <immintrin.h>

namespace partita::api {
namespace {

constexpr int kChains = 16;  // two per cycle, latency 4: at least 8
constexpr int64_t kStride = 1024;
constexpr int64_t kPrefetchBytes = 8192;  // as for the kernels of ops/product/

uint64_t read(const std::byte* data, int64_t bytes) {
  __m512i seen[4] = {};  // NOLINT: std::array would be code shared between instruction sets
  for (int64_t at = 0; at < bytes; at += kStride) {
    for (int64_t line = 0; line < kStride; line += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(data) + at + kPrefetchBytes + line, _MM_HINT_T0);
    }
#pragma GCC unroll 16
    for (int64_t line = 0; line < kStride; line += 64) {
      __m512i& chain = seen[line / 64 % 4];
      chain = _mm512_or_si512(chain, _mm512_load_si512(data + at + line));
    }
  }
  const __m512i all =
      _mm512_or_si512(_mm512_or_si512(seen[0], seen[1]), _mm512_or_si512(seen[2], seen[3]));
  return static_cast<uint64_t>(_mm512_reduce_or_epi64(all));
}

// The compiler must not know the factors.
float hidden(float value) {
  const volatile float copy = value;
  return copy;
}

float run_f32(int64_t turns) {
  const __m512 factor = _mm512_set1_ps(hidden(0.5F));
  __m512 sums[kChains];  // NOLINT
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int64_t turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 16
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, factor, factor);
  }
  for (int i = 1; i < kChains; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  return _mm512_reduce_add_ps(sums[0]);
}

float run_bf16(int64_t turns) {
  const auto factor = reinterpret_cast<__m512bh>(_mm512_set1_ps(hidden(0.5F)));
  __m512 sums[kChains];  // NOLINT
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int64_t turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 16
    for (__m512& sum : sums) sum = _mm512_dpbf16_ps(sum, factor, factor);
  }
  for (int i = 1; i < kChains; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  return _mm512_reduce_add_ps(sums[0]);
}

float run_int8(int64_t turns) {
  const __m512i factor = _mm512_set1_epi8(static_cast<char>(hidden(1)));
  __m512i sums[kChains];  // NOLINT
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_set1_epi32(i);
  for (int64_t turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 16
    for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, factor, factor);
  }
  for (int i = 1; i < kChains; ++i) sums[0] = _mm512_add_epi32(sums[0], sums[i]);
  return static_cast<float>(_mm512_reduce_add_epi32(sums[0]));
}

constexpr LimitLoops kLoops = {read,
                               {2.0 * 16 * kChains, run_f32},
                               {2.0 * 32 * kChains, run_bf16},
                               {2.0 * 64 * kChains, run_int8}};

}  // namespace

const LimitLoops& limit_loops_avx512() { return kLoops; }

}  // namespace partita::api
#else
namespace partita::api {
const LimitLoops& limit_loops_avx512() { return limit_loops_avx2(); }
}  // namespace partita::api
#endif
