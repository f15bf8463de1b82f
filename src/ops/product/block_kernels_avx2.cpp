// SPDX-License-Identifier: Apache-2.0
// Products with block-quantised weights for AVX2: vpmaddubsw and vpmaddwd, 8 rows per vector.
#include "ops/product/block_kernels.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>

#include "ops/product/block_kernels-inl.h"

namespace partita::ops {
namespace {

constexpr int64_t kPrefetchBytes = 8192;  // as for AVX-512
constexpr int64_t kCacheLine = 64;
constexpr int kVectorRows = 8;
constexpr int kVectors = kTileRows / kVectorRows;

__m256i quants_at(const std::byte* data) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(data));
}

// sum[row] += 4 products of row: pairs are added in s16, then pairs of these in s32.
inline __m256i add_products(__m256i sum, __m256i unsigned_8, __m256i signed_8) {
  const __m256i pairs = _mm256_maddubs_epi16(unsigned_8, signed_8);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// The quants of 8 rows (half a group) of a unit times one row of x. `x` has kRows rows.
struct Q8 {
  static constexpr int64_t kUnitBytes = kQ8UnitBytes;
  static constexpr int64_t kGroupBytes = 512;
  // Two u8 * s8 can exceed s16, so the signs go to the other factor: |w| * (x with w's sign), at
  // most 2 * 128 * 127. The weights are signed then, and the start of the sum is not needed.
  template <int kRows>
  static inline __m256i sum(const std::byte* quants, const int32_t* x, int32_t /*start*/) {
    const __m256i flip = _mm256_set1_epi8(static_cast<char>(0x80));
    __m256i sums = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int part = 0; part < 8; ++part) {
      const __m256i weights = _mm256_xor_si256(quants_at(quants + part * 64), flip);
      const __m256i values = _mm256_set1_epi32(x[part * kRows]);
      sums = add_products(sums, _mm256_abs_epi8(weights), _mm256_sign_epi8(values, weights));
    }
    return sums;
  }
};

struct Q4 {
  static constexpr int64_t kUnitBytes = kQ4UnitBytes;
  static constexpr int64_t kGroupBytes = 256;
  template <int kRows>
  static inline __m256i sum(const std::byte* quants, const int32_t* x, int32_t start) {
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i sums = _mm256_set1_epi32(start);
#pragma GCC unroll 4
    for (int part = 0; part < 4; ++part) {
      const __m256i pair = quants_at(quants + part * 64);
      sums = add_products(sums, _mm256_and_si256(pair, nibble), _mm256_set1_epi32(x[part * kRows]));
      sums = add_products(sums, _mm256_and_si256(_mm256_srli_epi16(pair, 4), nibble),
                          _mm256_set1_epi32(x[(part + 4) * kRows]));
    }
    return sums;
  }
};

template <typename Format, int kRows>
inline void add_unit(const std::byte* unit, const std::byte* record, __m256 (*y)[kRows]) {
  const auto* x = reinterpret_cast<const int32_t*>(record);
  const auto* x_scales = reinterpret_cast<const float*>(record + kBlockColumns * kRows);
  const auto* starts = reinterpret_cast<const int32_t*>(x_scales + kRows);
  for (int vector = 0; vector < kVectors; ++vector) {
    const std::byte* quants =
        unit + kUnitScaleBytes + vector / 2 * Format::kGroupBytes + vector % 2 * 32;
    const __m256 scales = _mm256_cvtph_ps(
        _mm_load_si128(reinterpret_cast<const __m128i*>(unit + vector * kVectorRows * 2)));
    for (int row = 0; row < kRows; ++row) {
      const __m256i sum = Format::template sum<kRows>(quants, x + row, starts[row]);
      const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(x_scales[row]));
      y[vector][row] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, y[vector][row]);
    }
  }
}

template <typename Format, int kRows>
void tile_product(const TileCall& call) {
  __m256 y[kVectors][kRows];  // NOLINT: std::array would be code shared between instruction sets
  for (auto& vector : y) {
    for (__m256& sum : vector) sum = _mm256_setzero_ps();
  }
  const std::byte* unit = call.tile;
  const std::byte* record = call.panel;
  for (int64_t block = 0; block < call.blocks; ++block) {
    for (int64_t line = 0; line < Format::kUnitBytes; line += kCacheLine) {
      _mm_prefetch(reinterpret_cast<const char*>(unit) + kPrefetchBytes + line, _MM_HINT_T0);
    }
    add_unit<Format, kRows>(unit, record, y);
    unit += Format::kUnitBytes;
    record += kRecordBytesPerRow * kRows;
  }
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  for (int vector = 0; vector < kVectors; ++vector) {
    const auto left = static_cast<int>(call.tile_rows) - vector * kVectorRows;
    if (left <= 0) break;
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(left), lane);
    for (int row = 0; row < kRows; ++row) {
      _mm256_maskstore_ps(call.y + row * call.y_columns + vector * kVectorRows, mask,
                          y[vector][row]);
    }
  }
}

// The bits of the largest magnitude.
inline uint32_t most_bits_of(const __m256* x) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i most = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i) {
    most = _mm256_max_epi32(most, _mm256_and_si256(_mm256_castps_si256(x[i]), magnitude));
  }
  __m128i half = _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
  half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(half));
}

inline int32_t sum_of(__m256i quants) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(quants), _mm256_extracti128_si256(quants, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
  return _mm_cvtsi128_si32(half);
}

void quantise(const QuantiseCall& call) {
  for (int64_t block = 0; block < call.blocks; ++block) {
    __m256 x[4];  // NOLINT
    for (int i = 0; i < 4; ++i) x[i] = _mm256_loadu_ps(call.x + block * kBlockColumns + i * 8);
    const Scale scale = scale_of(most_bits_of(x));
    const __m256 factor = _mm256_set1_ps(scale.inverse);
    const __m256i finite = _mm256_set1_epi32(scale.inverse == 0 ? 0 : -1);
    __m256i quants[4];  // NOLINT
    for (int i = 0; i < 4; ++i) {
      quants[i] = _mm256_and_si256(_mm256_cvtps_epi32(_mm256_mul_ps(x[i], factor)), finite);
    }
    // Packing takes its arguments by halves: [half][vector][4 quants].
    const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(quants[0], quants[1]),
                                              _mm256_packs_epi32(quants[2], quants[3]));
    alignas(32) int32_t words[kBlockColumns / 4];  // NOLINT
    _mm256_store_si256(
        reinterpret_cast<__m256i*>(words),
        _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
    const int32_t sum = sum_of(_mm256_add_epi32(_mm256_add_epi32(quants[0], quants[1]),
                                                _mm256_add_epi32(quants[2], quants[3])));
    write_block(call, block, words, scale.scale, sum);
  }
}

}  // namespace

const BlockKernels& block_kernels_avx2() { return kKernels; }

}  // namespace partita::ops
#else
namespace partita::ops {
const BlockKernels& block_kernels_avx2() { return block_kernels_portable(); }
}  // namespace partita::ops
#endif
