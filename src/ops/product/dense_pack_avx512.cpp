// SPDX-License-Identifier: Apache-2.0
// Transposes 16 x 16 words of 4 bytes in registers.
#include "ops/product/dense_pack.h"

#if defined(__AVX512BF16__)
#include <immintrin.h>

#include "ops/product/dense_kernels.h"

namespace partita::ops {
namespace {

constexpr int kWords = 16;  // of a vector, and rows that are transposed together
// Ahead of the 64 streams that the rows are: more than a processor follows by itself.
constexpr int64_t kPrefetchBytes = 256;

// Within each 128-bit lane: rows[4 i + j] becomes word j of lanes of rows 4 i .. 4 i + 3.
inline void transpose_lanes(__m512i* rows) {
  for (int i = 0; i < kWords; i += 4) {
    const __m512i low01 = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    const __m512i high01 = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    const __m512i low23 = _mm512_unpacklo_epi32(rows[i + 2], rows[i + 3]);
    const __m512i high23 = _mm512_unpackhi_epi32(rows[i + 2], rows[i + 3]);
    rows[i] = _mm512_unpacklo_epi64(low01, low23);
    rows[i + 1] = _mm512_unpackhi_epi64(low01, low23);
    rows[i + 2] = _mm512_unpacklo_epi64(high01, high23);
    rows[i + 3] = _mm512_unpackhi_epi64(high01, high23);
  }
}

// 16 rows at `from` become 16 vectors, 256 bytes apart, at `to`.
inline void transpose(const std::byte* from, int64_t row_bytes, std::byte* to) {
  __m512i rows[kWords];  // NOLINT: std::array would be code shared between instruction sets
#pragma GCC unroll 16
  for (int row = 0; row < kWords; ++row) {
    const std::byte* line = from + row * row_bytes;
    _mm_prefetch(reinterpret_cast<const char*>(line) + kPrefetchBytes, _MM_HINT_T0);
    rows[row] = _mm512_loadu_si512(line);
  }
  transpose_lanes(rows);
  // Word j of lane l of rows[4 i + j] belongs to column 4 l + j: gather the lanes of the four i.
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i even01 = _mm512_shuffle_i32x4(rows[j], rows[4 + j], 0x88);
    const __m512i odd01 = _mm512_shuffle_i32x4(rows[j], rows[4 + j], 0xdd);
    const __m512i even23 = _mm512_shuffle_i32x4(rows[8 + j], rows[12 + j], 0x88);
    const __m512i odd23 = _mm512_shuffle_i32x4(rows[8 + j], rows[12 + j], 0xdd);
    const __m512i columns[4] = {_mm512_shuffle_i32x4(even01, even23, 0x88),  // lane 0
                                _mm512_shuffle_i32x4(odd01, odd23, 0x88),    // lane 1
                                _mm512_shuffle_i32x4(even01, even23, 0xdd),  // lane 2
                                _mm512_shuffle_i32x4(odd01, odd23, 0xdd)};   // lane 3
#pragma GCC unroll 4
    for (int lane = 0; lane < 4; ++lane) {
      auto* step = reinterpret_cast<__m512i*>(to + (4 * lane + j) * kDenseStepBytes);
      _mm512_stream_si512(step, columns[lane]);
    }
  }
}

}  // namespace

void dense_pack_avx512(const DensePackCall& call) {
  for (int64_t step = 0; step < call.steps; step += kDensePackSteps) {
    const std::byte* from = call.plain + step * kDenseWordBytes;
    std::byte* to = call.tile + step * kDenseStepBytes;
    for (int64_t row = 0; row < kDenseTileRows; row += kWords) {
      transpose(from + row * call.row_bytes, call.row_bytes, to + row * kDenseWordBytes);
    }
  }
  _mm_sfence();
}

}  // namespace partita::ops

#endif
