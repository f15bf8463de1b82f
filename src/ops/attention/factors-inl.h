// SPDX-License-Identifier: Apache-2.0
// How factors (queries, weights) meet the elements of a cache: one by one in f32, or in pairs of
// bf16 where there is an instruction for them. Included by one source file per instruction set.
#pragma once

#include "ops/attention/block_kernels.h"
#include "ops/vector/vector-inl.h"

namespace partita::ops::attention {
namespace {

inline float widen(float value) { return value; }
inline float widen(BFloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float result;
  __builtin_memcpy(&result, &bits, sizeof(result));
  return result;
}
#if defined(__F16C__)
inline float widen(Float16 value) { return _cvtsh_ss(value.bits); }
#else
inline float widen(Float16 value) { return value.to_float(); }
#endif

// kLanes elements of a cache as f32.
inline Vector load_wide(const float* from) { return load(from); }
#if defined(__AVX512F__)
inline Vector load_wide(const BFloat16* from) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
}
inline Vector load_wide(const Float16* from) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)))};
}
#elif defined(__AVX2__)
inline Vector load_wide(const BFloat16* from) {
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16))};
}
inline Vector load_wide(const Float16* from) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))};
}
#else
template <typename Half>
inline Vector load_wide(const Half* from) {
  float lanes[kLanes];  // NOLINT
  for (int64_t i = 0; i < kLanes; ++i) lanes[i] = widen(from[i]);
  return load(lanes);
}
#endif

// Elements one by one, widened to f32.
template <typename CacheType>
struct Singles {
  using Cache = CacheType;
  using Factor = float;
  using Wide = Vector;                  // a factor in all lanes
  using Column = Vector;                // an element of kLanes keys, or kLanes elements of a value
  static constexpr int64_t kDepth = 1;  // elements that a factor and a column hold per lane

  static Column keys(const Cache* from, int64_t /*step*/) { return load_wide(from); }
  static Column values(const Cache* from, int64_t /*step*/, int64_t /*rows*/) {
    return load_wide(from);
  }
  static Wide all(Factor factor) { return broadcast(factor); }
  static Vector add(Vector sum, Wide factor, Column column) { return fma(factor, column, sum); }

  // Queries and weights as factors; `memory` has room for all queries.
  static const Factor* queries(const Block& block, float* /*memory*/) { return block.queries; }
  static const Factor* weights(float* line_begin, int64_t /*rows*/) { return line_begin; }
};

#if defined(__AVX512BF16__)
// Two bf16 elements at once, whose products are added to a sum in f32; factors are rounded to bf16
// (relative error 2^-8).
struct Pairs {
  using Cache = BFloat16;
  using Factor = int32_t;
  using Wide = __m512bh;
  using Column = __m512bh;
  static constexpr int64_t kDepth = 2;

  // 16 elements `first` and as many `second`, taken by turns.
  static Column by_turns(__m256i first, __m256i second) {
    const __m512i order =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
    return reinterpret_cast<__m512bh>(_mm512_permutexvar_epi16(order, both));
  }
  static __m256i load_halves(const Cache* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static Column keys(const Cache* from, int64_t step) {
    return by_turns(load_halves(from), load_halves(from + step));
  }
  // What is behind the last of `rows` may be anything, NaN too: it is not read.
  static Column values(const Cache* from, int64_t step, int64_t rows) {
    return by_turns(load_halves(from), rows > 1 ? load_halves(from + step) : __m256i{});
  }
  static Wide all(Factor factor) { return reinterpret_cast<__m512bh>(_mm512_set1_epi32(factor)); }
  static Vector add(Vector sum, Wide factor, Column column) {
    return {_mm512_dpbf16_ps(sum.value, factor, column)};
  }

  static const Factor* queries(const Block& block, float* memory) {
    round_to(block.queries, block.rows * block.head_dim, memory);
    return reinterpret_cast<const Factor*>(memory);
  }
  // In place: the first half of a line is what its elements become.
  static const Factor* weights(float* lines, int64_t rows) {
    for (int64_t row = 0; row < rows; ++row) {
      round_to(lines + row * kTileKeys, kTileKeys, lines + row * kTileKeys);
    }
    return reinterpret_cast<const Factor*>(lines);
  }
  static void round_to(const float* from, int64_t count, float* to) {
    auto* halves = reinterpret_cast<__m256i*>(to);
    for (int64_t i = 0; i < count; i += kLanes) {
      const __m512 line = _mm512_loadu_ps(from + i);
      _mm256_storeu_si256(halves++, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(line)));
    }
  }
};
#endif

}  // namespace
}  // namespace partita::ops::attention
