// SPDX-License-Identifier: Apache-2.0
// Attention of a block of rows, after Dao et al., "FlashAttention", 2022: tile by tile of keys with
// a running maximum. Included by one source file per instruction set.
#pragma once

#include "ops/attention/block_kernels.h"
#include "ops/attention/panel_products-inl.h"
#include "ops/attention/softmax-inl.h"
#include "ops/attention/tiles-inl.h"

namespace partita::ops::attention {
namespace {

// The memory of the next panels is asked for while one is computed, in the order in which it will
// be read: the tile's keys, its values, the next tile's keys. So far ahead in bytes at least: see
// product/block_kernels_avx512.cpp. Of panels that lie behind each other the processor foresees the
// next lines; of others two by turns keep more lines under way.
constexpr int64_t kAheadBytes = 8192;

// The panels of a tile and of the next one in the order in which they are read.
template <typename Arithmetic>
class Course {
 public:
  using Cache = typename Arithmetic::Cache;

  Course(const Block& block, const Tile<Cache>& now, const Tile<Cache>& next)
      : tile(now),
        panels((now.count + kPanel - 1) / kPanel),
        are_few_rows(block.rows <= kFewRows),
        panel_bytes_(kPanel * block.width() * static_cast<int64_t>(sizeof(Cache))) {
    const int64_t distance = (kAheadBytes + 2 * panel_bytes_ - 1) / (2 * panel_bytes_) * 2;
    for (int64_t i = 0; i < kTilePanels; i += 2) {
      const Lines keys = lines_of(i + distance, next);
      const Lines values = lines_of(panels + i + distance, next);
      const int64_t lines = panel_bytes_ / kLineBytes;
      beside_keys[i] = keys;
      beside_keys[i + 1] = keys.from(lines);
      beside_values[i] = values;
      beside_values[i + 1] = values.from(lines);
    }
  }

  [[nodiscard]] int64_t key_panels_at_once() const { return are_few_rows ? 2 : kPanelStep; }
  [[nodiscard]] int64_t value_keys_at_once() const { return are_few_rows ? kPanel : kTileKeys; }

  const Tile<Cache>& tile;
  int64_t panels;  // of the tile
  // What to fetch while a panel of keys or of values is computed.
  Lines beside_keys[kTilePanels];    // NOLINT
  Lines beside_values[kTilePanels];  // NOLINT

 private:
  static constexpr int64_t kLineBytes = kPanel * Arithmetic::kDepth * int64_t{sizeof(Cache)};

  // The keys, the values, the next keys; at the end some that are there already.
  [[nodiscard]] const Cache* panel_at(int64_t index, const Tile<Cache>& next) const {
    if (index < panels) return tile.key_memory[index];
    index -= panels;
    if (index < panels) return tile.values[index];
    index -= panels;
    return index < kTilePanels && index * kPanel < next.count ? next.key_memory[index]
                                                              : tile.key_memory[0];
  }
  // A panel and the one behind it: line by line, by turns where they are apart.
  [[nodiscard]] Lines lines_of(int64_t index, const Tile<Cache>& next) const {
    const auto* first = reinterpret_cast<const std::byte*>(panel_at(index, next));
    const auto* second = reinterpret_cast<const std::byte*>(panel_at(index + 1, next));
    if (second == first + panel_bytes_) return {first, first + kLineBytes, 2 * kLineBytes};
    return {first, second, kLineBytes};
  }

  bool are_few_rows;
  int64_t panel_bytes_;
};

// scores[row][key] of all rows and whole panels of the tile's keys.
template <typename Arithmetic>
void add_scores(const Block& block,
                const Course<Arithmetic>& course,
                const typename Arithmetic::Factor* queries,
                float* scores) {
  const auto& tile = course.tile;
  for_steps(block.rows, course.panels, course.key_panels_at_once(),
            [&]<int64_t kR, int64_t kP>(int64_t row, int64_t panel) {
              const auto step = row == 0 ? score_step<Arithmetic, kR, kP, true>
                                         : score_step<Arithmetic, kR, kP, false>;
              step(queries + row * block.head_dim / Arithmetic::kDepth, tile.keys + panel,
                   course.beside_keys + panel, tile.key_step, block.head_dim,
                   scores + row * kTileKeys + panel * kPanel);
            });
}

// values[row] += weights of the tile. Few rows take panel by panel of keys, as they lie in memory.
template <typename Arithmetic>
void add_values(const Block& block,
                const Course<Arithmetic>& course,
                const typename Arithmetic::Factor* weights,
                const float* corrections,
                float* values) {
  const int64_t width = block.width();
  const int64_t keys_at_once = course.value_keys_at_once();
  for (int64_t begin = 0; begin < course.tile.count; begin += keys_at_once) {
    const Keys keys = {begin, least(course.tile.count, begin + keys_at_once)};
    for_steps(block.rows, width / kPanel, kPanelStep,
              [&]<int64_t kR, int64_t kP>(int64_t row, int64_t panel) {
                const auto step = row == 0 ? value_step<Arithmetic, kR, kP, true>
                                           : value_step<Arithmetic, kR, kP, false>;
                step(weights + row * kTileKeys, begin == 0 ? corrections + row : nullptr,
                     course.tile, keys, course.beside_values, panel * kPanel,
                     values + row * width + panel * kPanel, width);
              });
  }
}

template <typename Arithmetic, typename Tiles>
void attend_tiles(const Block& block, const Tiles& tiles, const Partial& to) {
  float* scores = block.work;
  float* corrections = scores + block.rows * kTileKeys;
  for (int64_t i = 0; i < block.rows * block.width(); ++i) to.values[i] = 0;
  for (int64_t row = 0; row < block.rows; ++row) {
    to.highest[row] = kNone;
    to.weights[row] = 0;
  }
  const auto* queries = Arithmetic::queries(block, block.rounded_queries());
  auto tile = tiles.at(block.begin);
  for (int64_t begin = block.begin; begin < block.end; begin += kTileKeys) {
    const auto next = tiles.at(begin + kTileKeys);
    tiles.fill(begin, tile);
    const Course<Arithmetic> course(block, tile, next);
    add_scores<Arithmetic>(block, course, queries, scores);
    // Weights in pairs: that of a key behind the last is 0.
    const int64_t end =
        (tile.count + Arithmetic::kDepth - 1) / Arithmetic::kDepth * Arithmetic::kDepth;
    weigh_rows(block, begin, end, scores, corrections, to);
    const auto* weights = Arithmetic::weights(scores, block.rows);
    add_values<Arithmetic>(block, course, weights, corrections, to.values);
    tile = next;
  }
}

template <typename Arithmetic>
void attend_in_place(const Block& block, const Partial& to) {
  attend_tiles<Arithmetic>(block, PlacedTiles<typename Arithmetic::Cache>(block), to);
}

template <typename Cache>
void attend_to(const Block& block, const Partial& to) {
  if (is_in_place(block)) return attend_in_place<Singles<Cache>>(block, to);
  attend_tiles<Singles<float>>(block, CopiedTiles<Cache>(block, block.copies()), to);
}

void attend(const Block& block, const Partial& to) {
#if defined(__AVX512BF16__)
  if (block.dtype == DType::kBF16 && block.rounds_factors && is_in_place(block)) {
    return attend_in_place<Pairs>(block, to);
  }
#endif
  if (block.dtype == DType::kBF16) return attend_to<BFloat16>(block, to);
  if (block.dtype == DType::kF16) return attend_to<Float16>(block, to);
  attend_to<float>(block, to);
}

void merge(const Partial& sum, const Partial& next, int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row) {
    const float a = sum.highest[row];
    const float b = next.highest[row];
    const float highest = a > b ? a : b;
    float factors[kLanes] = {a - highest, b - highest};  // NOLINT
    store(factors, exp(load(factors)));
    sum.highest[row] = highest;
    sum.weights[row] = sum.weights[row] * factors[0] + next.weights[row] * factors[1];
    float* values = sum.values + row * width;
    const float* other = next.values + row * width;
    for (int64_t i = 0; i < width; i += kLanes) {
      const Vector scaled = load(values + i) * broadcast(factors[0]);
      store(values + i, fma(load(other + i), broadcast(factors[1]), scaled));
    }
  }
}

void scale(const float* x, float factor, int64_t count, float* out) {
  const Vector by = broadcast(factor);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, load(x + i) * by);
  if (i < count) store_first(out + i, load_first(x + i, count - i) * by, count - i);
}

void divide(const float* values, float weight, int64_t count, float* out) {
  scale(values, 1 / weight, count, out);
}

void to_f16(const float* x, int64_t count, Float16* out) {
  constexpr float kMost = 65504;
  int64_t i = 0;
#if defined(__F16C__)
  const __m256 most = _mm256_set1_ps(kMost);
  const __m256 lowest = _mm256_set1_ps(-kMost);
  for (; i + 8 <= count; i += 8) {
    const __m256 bounded = _mm256_max_ps(lowest, _mm256_min_ps(most, _mm256_loadu_ps(x + i)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     _mm256_cvtps_ph(bounded, _MM_FROUND_TO_NEAREST_INT));
  }
#endif
  for (; i < count; ++i) {
    const float below = x[i] > kMost ? kMost : x[i];
    out[i] = Float16::from_float(below < -kMost ? -kMost : below);
  }
}

constexpr BlockKernels kBlockKernels = {attend, merge, divide, scale, to_f16};

}  // namespace
}  // namespace partita::ops::attention
