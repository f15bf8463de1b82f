// SPDX-License-Identifier: Apache-2.0
// Terms that travel as bf16, for processors with AVX-512: rounded and summed in registers.
#include "comm/reduce_kernels.h"

#if defined(__AVX512F__) && defined(__AVX512BW__)
#include <immintrin.h>
#endif

namespace partita::comm {

#if defined(__AVX512F__) && defined(__AVX512BW__)
namespace {

constexpr int64_t kLanes = 16;

constexpr int64_t kLineElements = 32;  // of bf16
// Lines of a slot that peers have read are fetched for writing so far ahead: one at a time they
// cost more than all the arithmetic.
constexpr int64_t kLinesAhead = 16;

__mmask16 lanes_left(int64_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xffff : (1U << count) - 1);
}

// As BFloat16Codec: vcvtneps2bf16 would make zeros of the smallest numbers, and so other bits than
// the processors without it.
__m256i rounded(__m512i words) {
  const __m512i one = _mm512_set1_epi32(1);
  const __m512i high = _mm512_srli_epi32(words, 16);
  const __m512i half = _mm512_add_epi32(_mm512_set1_epi32(0x7fff), _mm512_and_si512(high, one));
  const __m512i nearest = _mm512_srli_epi32(_mm512_add_epi32(words, half), 16);
  const __m512 values = _mm512_castsi512_ps(words);
  const __mmask16 is_nan = _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
  const __m512i quiet = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
  return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(nearest, is_nan, quiet));
}

__m512 widened(__m256i halves) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// The sum of 16 elements; `load` takes those of a term, `load_more` those of an addend.
template <typename Load, typename LoadMore>
__m512 sum_of(const SumArguments& arguments, const Load& load, const LoadMore& load_more) {
  __m512 sum = widened(load(0));
  for (int rank = 1; rank < arguments.ranks; ++rank) sum = _mm512_add_ps(sum, widened(load(rank)));
  for (int addend = 0; addend < arguments.addends; ++addend)
    sum = _mm512_add_ps(sum, load_more(addend));
  return sum;
}

}  // namespace

void sum_bf16_avx512(const SumArguments& arguments) {
  const auto term = [&](int rank, int64_t at) {
    return reinterpret_cast<const uint16_t*>(arguments.terms[rank]) + arguments.first_term + at;
  };
  int64_t at = 0;
  for (; at + kLanes <= arguments.count; at += kLanes) {
    const auto load = [&](int rank) {
      return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(term(rank, at)));
    };
    const auto load_more = [&](int addend) { return _mm512_loadu_ps(arguments.more[addend] + at); };
    _mm512_storeu_ps(arguments.out + at, sum_of(arguments, load, load_more));
  }
  if (at == arguments.count) return;
  const __mmask16 lanes = lanes_left(arguments.count - at);
  const auto load = [&](int rank) { return _mm256_maskz_loadu_epi16(lanes, term(rank, at)); };
  const auto load_more = [&](int addend) {
    return _mm512_maskz_loadu_ps(lanes, arguments.more[addend] + at);
  };
  _mm512_mask_storeu_ps(arguments.out + at, lanes, sum_of(arguments, load, load_more));
}

void round_avx512(const float* from, uint16_t* to, int64_t count) {
  for (int64_t line = 0; line < kLinesAhead && line * kLineElements < count; ++line)
    __builtin_prefetch(to + line * kLineElements, 1);
  int64_t at = 0;
  for (; at + kLineElements <= count; at += kLineElements) {
    if (at + kLinesAhead * kLineElements < count)
      __builtin_prefetch(to + at + kLinesAhead * kLineElements, 1);
    const __m256i low = rounded(_mm512_loadu_si512(from + at));
    const __m256i high = rounded(_mm512_loadu_si512(from + at + kLanes));
    _mm512_storeu_si512(to + at, _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
  }
  for (; at < count; at += kLanes) {
    const __mmask16 lanes = lanes_left(count - at);
    const __m512i words = _mm512_maskz_loadu_epi32(lanes, from + at);
    _mm256_mask_storeu_epi16(to + at, lanes, rounded(words));
  }
}
#else
void sum_bf16_avx512(const SumArguments& arguments) { sum_baseline(arguments); }

void round_avx512(const float* from, uint16_t* to, int64_t count) {
  round_baseline(from, to, count);
}
#endif

}  // namespace partita::comm
