// SPDX-License-Identifier: Apache-2.0
// Products with block-quantised weights for AVX-512 with VNNI: vpdpbusd, 16 rows per vector.
#include "ops/product/block_kernels.h"

#if defined(__AVX512VNNI__)
#include <immintrin.h>

#include "ops/product/block_kernels-inl.h"

namespace partita::ops {
namespace {

// How far ahead of its use a weight is asked for. One core needs about 7 KiB in flight (42 GB/s x
// 163 ns), and the processor's own prefetcher stops at every 4 KiB page. Seen for q4_0 at 4 rows:
// 28 GB/s with 1 KiB, 33 with 4, 39 with 8, 38 with 12 of a raw read's 39; for q8_0 at 8 rows 0.92
// of a raw read with 8 KiB and 0.97 with 12.
constexpr int64_t kPrefetchBytes = 8192;
constexpr int64_t kFarPrefetchBytes = 12288;
constexpr int64_t kCacheLine = 64;
constexpr int kGroups = kTileRows / kGroupRows;

__m512i quants_at(const std::byte* data) { return _mm512_load_si512(data); }

// Quants of 4 k of both groups of rows.
struct Quants {
  __m512i group[kGroups];  // NOLINT: std::array would be code shared between instruction sets
};

template <int kRows>
struct Sums {
  __m512i of[kGroups][kRows];  // NOLINT
};

// Each activation is broadcast once for both groups.
template <int kRows>
inline void multiply(const Quants& weights, const int32_t* x, Sums<kRows>& sums) {
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    const __m512i value = _mm512_set1_epi32(x[row]);
#pragma GCC unroll 2
    for (int group = 0; group < kGroups; ++group) {
      sums.of[group][row] = _mm512_dpbusd_epi32(sums.of[group][row], weights.group[group], value);
    }
  }
}

struct Q8 {
  static constexpr int64_t kUnitBytes = kQ8UnitBytes;
  static constexpr int64_t prefetch_bytes(int rows) {
    return rows <= kRowsInOrder ? kPrefetchBytes : kFarPrefetchBytes;
  }
  // Up to so many rows, weights are used in the order of memory, one group after the other. With
  // the groups by turns 2 rows took 1.25 times as long, and 1 row 1.04 times.
  static constexpr int kRowsInOrder = 4;
  template <int kRows>
  static inline void unit(const std::byte* quants, const int32_t* x, Sums<kRows>& sums) {
    if constexpr (kRows <= kRowsInOrder) {
      group_unit<kRows>(quants, x, sums.of[0]);
      group_unit<kRows>(quants + 512, x, sums.of[1]);
    } else {
#pragma GCC unroll 8
      for (int part = 0; part < 8; ++part) {
        const Quants weights = {
            {quants_at(quants + part * 64), quants_at(quants + 512 + part * 64)}};
        multiply<kRows>(weights, x + part * kRows, sums);
      }
    }
  }

  template <int kRows>
  static inline void group_unit(const std::byte* quants, const int32_t* x, __m512i* sums) {
#pragma GCC unroll 8
    for (int part = 0; part < 8; ++part) {
      const __m512i weights = quants_at(quants + part * 64);
#pragma GCC unroll 8
      for (int row = 0; row < kRows; ++row) {
        sums[row] =
            _mm512_dpbusd_epi32(sums[row], weights, _mm512_set1_epi32(x[part * kRows + row]));
      }
    }
  }
};

struct Q4 {
  static constexpr int64_t kUnitBytes = kQ4UnitBytes;
  static constexpr int64_t prefetch_bytes(int /*rows*/) { return kPrefetchBytes; }
  template <int kRows>
  static inline void unit(const std::byte* quants, const int32_t* x, Sums<kRows>& sums) {
    const __m512i nibble = _mm512_set1_epi8(15);
#pragma GCC unroll 4
    for (int part = 0; part < 4; ++part) {
      const __m512i first = quants_at(quants + part * 64);
      const __m512i second = quants_at(quants + 256 + part * 64);
      const Quants low = {{_mm512_and_si512(first, nibble), _mm512_and_si512(second, nibble)}};
      multiply<kRows>(low, x + part * kRows, sums);
      const Quants high = {{_mm512_and_si512(_mm512_srli_epi16(first, 4), nibble),
                            _mm512_and_si512(_mm512_srli_epi16(second, 4), nibble)}};
      multiply<kRows>(high, x + (part + 4) * kRows, sums);
    }
  }
};

// tile[32 rows, k] times panel[kRows, k]; y[kRows, 32]; see TileCall for the order of sums.
template <typename Format, int kRows>
void tile_product(const TileCall& call) {
  __m512 y[kGroups][kRows];  // NOLINT
  for (auto& group : y) {
    for (__m512& sum : group) sum = _mm512_setzero_ps();
  }
  constexpr int64_t kAhead = Format::prefetch_bytes(kRows);
  const std::byte* unit = call.tile;
  const std::byte* record = call.panel;
  for (int64_t block = 0; block < call.blocks; ++block) {
#pragma GCC unroll 17
    for (int64_t line = 0; line < Format::kUnitBytes; line += kCacheLine) {
      _mm_prefetch(reinterpret_cast<const char*>(unit) + kAhead + line, _MM_HINT_T0);
    }
    const auto* x = reinterpret_cast<const int32_t*>(record);
    const auto* x_scales = reinterpret_cast<const float*>(record + kBlockColumns * kRows);
    const auto* starts = reinterpret_cast<const int32_t*>(x_scales + kRows);
    Sums<kRows> sums;
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      sums.of[0][row] = sums.of[1][row] = _mm512_set1_epi32(starts[row]);
    }
    Format::template unit<kRows>(unit + kUnitScaleBytes, x, sums);
#pragma GCC unroll 2
    for (int group = 0; group < kGroups; ++group) {
      const __m512 scales = _mm512_cvtph_ps(
          _mm256_load_si256(reinterpret_cast<const __m256i*>(unit + group * kGroupRows * 2)));
#pragma GCC unroll 8
      for (int row = 0; row < kRows; ++row) {
        const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(x_scales[row]));
        y[group][row] =
            _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums.of[group][row]), scale, y[group][row]);
      }
    }
    unit += Format::kUnitBytes;
    record += kRecordBytesPerRow * kRows;
  }
  for (int64_t group = 0; group < kGroups; ++group) {
    const int64_t left = call.tile_rows - group * kGroupRows;
    if (left <= 0) break;
    const auto mask = static_cast<__mmask16>(left >= kGroupRows ? 0xffff : (1 << left) - 1);
    for (int row = 0; row < kRows; ++row) {
      _mm512_mask_storeu_ps(call.y + row * call.y_columns + group * kGroupRows, mask,
                            y[group][row]);
    }
  }
}

void quantise(const QuantiseCall& call) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  for (int64_t block = 0; block < call.blocks; ++block) {
    const __m512 low = _mm512_loadu_ps(call.x + block * kBlockColumns);
    const __m512 high = _mm512_loadu_ps(call.x + block * kBlockColumns + 16);
    const Scale scale = scale_of(_mm512_reduce_max_epu32(
        _mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(low), magnitude),
                         _mm512_and_si512(_mm512_castps_si512(high), magnitude))));
    const __m512 factor = _mm512_set1_ps(scale.inverse);
    const auto mask = static_cast<__mmask16>(scale.inverse == 0.0F ? 0 : 0xffff);
    const __m512i first = _mm512_maskz_cvtps_epi32(mask, _mm512_mul_ps(low, factor));
    const __m512i second = _mm512_maskz_cvtps_epi32(mask, _mm512_mul_ps(high, factor));
    const int32_t sum = _mm512_reduce_add_epi32(_mm512_add_epi32(first, second));
    alignas(64) int32_t quants[kBlockColumns / 4];  // NOLINT
    _mm_store_si128(reinterpret_cast<__m128i*>(quants), _mm512_cvtepi32_epi8(first));
    _mm_store_si128(reinterpret_cast<__m128i*>(quants + 4), _mm512_cvtepi32_epi8(second));
    write_block(call, block, quants, scale.scale, sum);
  }
}

}  // namespace

const BlockKernels& block_kernels_avx512() { return kKernels; }

}  // namespace partita::ops
#else
namespace partita::ops {
const BlockKernels& block_kernels_avx512() { return block_kernels_avx2(); }
}  // namespace partita::ops
#endif
