// SPDX-License-Identifier: Apache-2.0
// Limits with AVX2 and FMA.
#include "api/bench/limit_loops.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

namespace partita::api {
namespace {

constexpr int kChains = 12;  // of the 16 registers
constexpr int64_t kStride = 1024;
constexpr int64_t kPrefetchBytes = 8192;

uint64_t read(const std::byte* data, int64_t bytes) {
  __m256i seen[4] = {};  // NOLINT: std::array would be code shared between instruction sets
  for (int64_t at = 0; at < bytes; at += kStride) {
    for (int64_t line = 0; line < kStride; line += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(data) + at + kPrefetchBytes + line, _MM_HINT_T0);
    }
#pragma GCC unroll 32
    for (int64_t half = 0; half < kStride; half += 32) {
      __m256i& chain = seen[half / 32 % 4];
      chain = _mm256_or_si256(
          chain, _mm256_load_si256(reinterpret_cast<const __m256i*>(data + at + half)));
    }
  }
  const __m256i all =
      _mm256_or_si256(_mm256_or_si256(seen[0], seen[1]), _mm256_or_si256(seen[2], seen[3]));
  alignas(32) uint64_t words[4];  // NOLINT
  _mm256_store_si256(reinterpret_cast<__m256i*>(words), all);
  return words[0] | words[1] | words[2] | words[3];
}

// The compiler must not know the factors.
float hidden(float value) {
  const volatile float copy = value;
  return copy;
}

float run_f32(int64_t turns) {
  const __m256 factor = _mm256_set1_ps(hidden(0.5F));
  __m256 sums[kChains];  // NOLINT
  for (int i = 0; i < kChains; ++i) sums[i] = _mm256_set1_ps(static_cast<float>(i));
  for (int64_t turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 12
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, factor, factor);
  }
  for (int i = 1; i < kChains; ++i) sums[0] = _mm256_add_ps(sums[0], sums[i]);
  return _mm256_cvtss_f32(sums[0]);
}

// Products are added in pairs first: what a kernel needs three instructions for.
float run_int8(int64_t turns) {
  __m256i factor = _mm256_set1_epi8(static_cast<char>(hidden(1)));
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[kChains];  // NOLINT
  for (int i = 0; i < kChains; ++i) sums[i] = _mm256_set1_epi32(i);
  for (int64_t turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 12
    for (__m256i& sum : sums) {
      const __m256i pairs = _mm256_maddubs_epi16(factor, sum);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
  }
  for (int i = 1; i < kChains; ++i) sums[0] = _mm256_add_epi32(sums[0], sums[i]);
  return static_cast<float>(_mm256_extract_epi32(sums[0], 0));
}

constexpr LimitLoops kLoops = {
    read, {2.0 * 8 * kChains, run_f32}, {0, nullptr}, {2.0 * 32 * kChains, run_int8}};

}  // namespace

const LimitLoops& limit_loops_avx2() { return kLoops; }

}  // namespace partita::api
#else
namespace partita::api {
const LimitLoops& limit_loops_avx2() { return limit_loops_portable(); }
}  // namespace partita::api
#endif
