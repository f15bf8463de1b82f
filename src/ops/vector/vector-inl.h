// SPDX-License-Identifier: Apache-2.0
// A vector of floats in the widest registers of the instruction set that the including file is
// compiled for. Included by *_portable.cpp, *_avx2.cpp and *_avx512.cpp only; everything is local
// to that file, so that no code of one set is linked into another.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace partita::ops {
namespace {

#if defined(__AVX512F__)

constexpr int64_t kLanes = 16;
using Register = __m512;
struct Vector {
  Register value;
};
inline Vector load(const float* from) { return {_mm512_loadu_ps(from)}; }
inline void store(float* to, Vector a) { _mm512_storeu_ps(to, a.value); }
inline __mmask16 first_lanes(int64_t count) { return static_cast<__mmask16>((1U << count) - 1); }
// The first `count` (below kLanes) elements; the other lanes are 0 and their memory is not touched.
inline Vector load_first(const float* from, int64_t count) {
  return {_mm512_maskz_loadu_ps(first_lanes(count), from)};
}
inline void store_first(float* to, Vector a, int64_t count) {
  _mm512_mask_storeu_ps(to, first_lanes(count), a.value);
}
inline Vector broadcast(float a) { return {_mm512_set1_ps(a)}; }
inline Vector operator+(Vector a, Vector b) { return {_mm512_add_ps(a.value, b.value)}; }
inline Vector operator-(Vector a, Vector b) { return {_mm512_sub_ps(a.value, b.value)}; }
inline Vector operator*(Vector a, Vector b) { return {_mm512_mul_ps(a.value, b.value)}; }
inline Vector operator/(Vector a, Vector b) { return {_mm512_div_ps(a.value, b.value)}; }
// a * b + c, rounded once
inline Vector fma(Vector a, Vector b, Vector c) {
  return {_mm512_fmadd_ps(a.value, b.value, c.value)};
}
// c - a * b, rounded once
inline Vector fnma(Vector a, Vector b, Vector c) {
  return {_mm512_fnmadd_ps(a.value, b.value, c.value)};
}
// The larger, the smaller; the second operand where one is NaN.
inline Vector max(Vector a, Vector b) { return {_mm512_max_ps(a.value, b.value)}; }
inline Vector min(Vector a, Vector b) { return {_mm512_min_ps(a.value, b.value)}; }
// To the nearest integer, ties to even; |a| < 2^31.
inline Vector round(Vector a) { return {_mm512_roundscale_ps(a.value, 0)}; }
// a * 2^n for whole n in [-126, 127].
inline Vector times_power_of_two(Vector a, Vector n) {
  return {_mm512_scalef_ps(a.value, n.value)};
}
// a < b ? yes : no
inline Vector where_less(Vector a, Vector b, Vector yes, Vector no) {
  return {
      _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.value, b.value, _CMP_LT_OQ), no.value, yes.value)};
}
// The bits `mask` of the whole number `n` (|n| < 2^31) are all zero ? yes : no
inline Vector where_bits_zero(Vector n, int mask, Vector yes, Vector no) {
  const __m512i bits = _mm512_cvtps_epi32(n.value);
  return {_mm512_mask_blend_ps(_mm512_test_epi32_mask(bits, _mm512_set1_epi32(mask)), yes.value,
                               no.value)};  // the test is for "some bit is set"
}

#elif defined(__AVX2__)

constexpr int64_t kLanes = 8;
using Register = __m256;
struct Vector {
  Register value;
};
inline Vector load(const float* from) { return {_mm256_loadu_ps(from)}; }
inline void store(float* to, Vector a) { _mm256_storeu_ps(to, a.value); }
inline __m256i first_lanes(int64_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
}
inline Vector load_first(const float* from, int64_t count) {
  return {_mm256_maskload_ps(from, first_lanes(count))};
}
inline void store_first(float* to, Vector a, int64_t count) {
  _mm256_maskstore_ps(to, first_lanes(count), a.value);
}
inline Vector broadcast(float a) { return {_mm256_set1_ps(a)}; }
inline Vector operator+(Vector a, Vector b) { return {_mm256_add_ps(a.value, b.value)}; }
inline Vector operator-(Vector a, Vector b) { return {_mm256_sub_ps(a.value, b.value)}; }
inline Vector operator*(Vector a, Vector b) { return {_mm256_mul_ps(a.value, b.value)}; }
inline Vector operator/(Vector a, Vector b) { return {_mm256_div_ps(a.value, b.value)}; }
inline Vector fma(Vector a, Vector b, Vector c) {
  return {_mm256_fmadd_ps(a.value, b.value, c.value)};
}
inline Vector fnma(Vector a, Vector b, Vector c) {
  return {_mm256_fnmadd_ps(a.value, b.value, c.value)};
}
inline Vector max(Vector a, Vector b) { return {_mm256_max_ps(a.value, b.value)}; }
inline Vector min(Vector a, Vector b) { return {_mm256_min_ps(a.value, b.value)}; }
inline Vector round(Vector a) {
  return {_mm256_round_ps(a.value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Vector times_power_of_two(Vector a, Vector n) {
  const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n.value), _mm256_set1_epi32(127));
  return a * Vector{_mm256_castsi256_ps(_mm256_slli_epi32(biased, 23))};
}
inline Vector where_less(Vector a, Vector b, Vector yes, Vector no) {
  return {_mm256_blendv_ps(no.value, yes.value, _mm256_cmp_ps(a.value, b.value, _CMP_LT_OQ))};
}
inline Vector where_bits_zero(Vector n, int mask, Vector yes, Vector no) {
  const __m256i bits = _mm256_and_si256(_mm256_cvtps_epi32(n.value), _mm256_set1_epi32(mask));
  const __m256i zero = _mm256_cmpeq_epi32(bits, _mm256_setzero_si256());
  return {_mm256_blendv_ps(no.value, yes.value, _mm256_castsi256_ps(zero))};
}

#else

// Four lanes in the compiler's own vector type: registers on every 64-bit processor.
constexpr int64_t kLanes = 4;
using Register = float __attribute__((vector_size(16)));
using Bits = int32_t __attribute__((vector_size(16)));
struct Vector {
  Register value;
};
inline Vector load(const float* from) {
  Vector a;
  __builtin_memcpy(&a.value, from, sizeof(a.value));
  return a;
}
inline void store(float* to, Vector a) { __builtin_memcpy(to, &a.value, sizeof(a.value)); }
inline Vector load_first(const float* from, int64_t count) {
  Vector a = {};
  for (int64_t i = 0; i < count; ++i) a.value[i] = from[i];
  return a;
}
inline void store_first(float* to, Vector a, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = a.value[i];
}
inline Vector broadcast(float a) { return {Register{a, a, a, a}}; }
inline Vector operator+(Vector a, Vector b) { return {a.value + b.value}; }
inline Vector operator-(Vector a, Vector b) { return {a.value - b.value}; }
inline Vector operator*(Vector a, Vector b) { return {a.value * b.value}; }
inline Vector operator/(Vector a, Vector b) { return {a.value / b.value}; }
inline Vector fma(Vector a, Vector b, Vector c) { return {a.value * b.value + c.value}; }
inline Vector fnma(Vector a, Vector b, Vector c) { return {c.value - a.value * b.value}; }
inline Vector select(Bits is_first, Vector a, Vector b) {
  const Bits chosen = (is_first & (Bits)a.value) | (~is_first & (Bits)b.value);
  return {(Register)chosen};
}
inline Vector max(Vector a, Vector b) { return select(a.value > b.value, a, b); }
inline Vector min(Vector a, Vector b) { return select(a.value < b.value, a, b); }
inline Bits to_bits(Vector a) { return __builtin_convertvector(a.value, Bits); }  // truncates
inline Vector round(Vector a) {
  // Adding 1.5 * 2^23 leaves no bit below 1 for |a| < 2^22; what is larger than that is whole or
  // used nowhere.
  const Vector shift = broadcast(12582912.0F);
  return (a + shift) - shift;
}
inline Vector times_power_of_two(Vector a, Vector n) {
  return a * Vector{(Register)((to_bits(n) + 127) << 23)};
}
inline Vector where_less(Vector a, Vector b, Vector yes, Vector no) {
  return select(a.value < b.value, yes, no);
}
inline Vector where_bits_zero(Vector n, int mask, Vector yes, Vector no) {
  return select((to_bits(n) & mask) == 0, yes, no);
}

#endif

// sum_of, max_of: over the lanes in a fixed order, pairs of halves, quarters, ... of the register.
#if defined(__AVX2__)

struct Add {
  __m256 operator()(__m256 a, __m256 b) const { return _mm256_add_ps(a, b); }
  __m128 operator()(__m128 a, __m128 b) const { return _mm_add_ps(a, b); }
};
struct Larger {  // b where one is NaN
  __m256 operator()(__m256 a, __m256 b) const { return _mm256_max_ps(a, b); }
  __m128 operator()(__m128 a, __m128 b) const { return _mm_max_ps(a, b); }
};
template <typename Combine>
float fold(__m256 a, const Combine& combine) {
  const __m128 fours = combine(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 twos = combine(fours, _mm_movehl_ps(fours, fours));
  return _mm_cvtss_f32(combine(twos, _mm_shuffle_ps(twos, twos, 1)));
}
#if defined(__AVX512F__)
template <typename Combine>
float fold(__m512 a, const Combine& combine) {
  const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1));
  return fold(combine(_mm512_castps512_ps256(a), high), combine);
}
#endif

#else

struct Add {
  float operator()(float a, float b) const { return a + b; }
};
struct Larger {
  float operator()(float a, float b) const { return a > b ? a : b; }
};
template <typename Combine>
float fold(Register a, const Combine& combine) {
  return combine(combine(a[0], a[2]), combine(a[1], a[3]));
}

#endif

inline float sum_of(Vector a) { return fold(a.value, Add()); }
inline float max_of(Vector a) { return fold(a.value, Larger()); }

}  // namespace
}  // namespace partita::ops
