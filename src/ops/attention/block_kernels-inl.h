// SPDX-License-Identifier: Apache-2.0
// Attention of a block of rows, after Dao et al., "FlashAttention", 2022: tile by tile of keys with
// a running maximum. Both products are the same small matrix product: rows of scalars (queries,
// weights) by panels of 16 floats (elements of keys, elements of a value). Included by one source
// file per instruction set.
#pragma once

#include "ops/attention/block_kernels.h"
#include "ops/attention/tiles-inl.h"
#include "ops/vector/functions-inl.h"

namespace partita::ops::attention {
namespace {

constexpr int64_t kPanelVectors = kPanel / kLanes;
// Accumulators of the product: 24 of 32 registers, 12 of 16.
constexpr int64_t kRowStep = kLanes == 4 ? 3 : 6;
constexpr int64_t kPanelStep = kLanes == 16 ? 4 : 1;
// So many rows at most are computed at once, with fewer panels: decoded tokens, whose keys and
// values come from memory, which is read in one pass and in its own order.
constexpr int64_t kFewRows = kLanes == 16 ? 12 : kRowStep;
// Panels beside so many rows.
constexpr int64_t panels_beside(int64_t rows) {
  const int64_t fitting = kRowStep * kPanelStep / rows;
  return fitting < kPanelStep ? fitting : kPanelStep;
}
constexpr float kNone = -3.0e38F;  // below every score; finite, so that differences are numbers

// The memory of the next panels is asked for while one is computed, in the order in which it will
// be read: the tile's keys, its values, the next tile's keys. So far ahead in bytes at least: see
// product/block_kernels_avx512.cpp.
constexpr int64_t kAheadBytes = 8192;
inline void prefetch(const void* line) { __builtin_prefetch(line, 0, 3); }

// out[row][panel * 16 ..] = sum over e of a[row][e] * b[panel][e * step ..]. Each sum is one chain
// in the order of e, so it does not depend on the shape of the step. kAhead: also fetches the
// panels at `ahead`.
template <int64_t kRows, int64_t kPanels, bool kAhead, typename Cache>
void score_step(const float* a,
                int64_t a_step,
                const Cache* const* b,
                const Cache* const* ahead,
                const Tile<Cache>& tile,
                int64_t count,
                float* out) {
  Vector sums[kRows][kPanels * kPanelVectors];  // NOLINT
  for (auto& row : sums) {
    for (Vector& sum : row) sum = broadcast(0);
  }
  for (int64_t e = 0; e < count; ++e) {
    Vector columns[kPanels * kPanelVectors];  // NOLINT
    for (int64_t panel = 0; panel < kPanels; ++panel) {
      for (int64_t v = 0; v < kPanelVectors; ++v) {
        columns[panel * kPanelVectors + v] = load_wide(b[panel] + e * tile.key_step + v * kLanes);
      }
      if constexpr (kAhead) prefetch(ahead[panel] + e * kPanel);
    }
    for (int64_t row = 0; row < kRows; ++row) {
      const Vector factor = broadcast(a[row * a_step + e]);
      for (int64_t i = 0; i < kPanels * kPanelVectors; ++i) {
        sums[row][i] = fma(factor, columns[i], sums[row][i]);
      }
    }
  }
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t i = 0; i < kPanels * kPanelVectors; ++i) {
      store(out + row * kTileKeys + i * kLanes, sums[row][i]);
    }
  }
}

// Keys [begin, end) of a tile; begin is that of a panel.
struct Keys {
  int64_t begin, end;
};

// sums[row][..] = sums[row][..] * corrections[row] (1 where this is null) + sum over the keys of
// weights[row][key] * values[key][..], for kPanels panels of elements from `first` on. kAhead: also
// fetches these elements of the panels at `ahead`, one for each panel of the tile.
template <int64_t kRows, int64_t kPanels, bool kAhead, typename Cache>
void value_step(const float* weights,
                const float* corrections,
                const Tile<Cache>& tile,
                Keys range,
                const Cache* const* ahead,
                int64_t first,
                float* sums,
                int64_t width) {
  Vector partial[kRows][kPanels * kPanelVectors];  // NOLINT
  for (int64_t row = 0; row < kRows; ++row) {
    const Vector correction = broadcast(corrections == nullptr ? 1.0F : corrections[row]);
    for (int64_t i = 0; i < kPanels * kPanelVectors; ++i) {
      partial[row][i] = load(sums + row * width + i * kLanes) * correction;
    }
  }
  for (int64_t begin = range.begin; begin < range.end; begin += kPanel) {
    const int64_t keys = least(range.end - begin, kPanel);
    const Cache* values = tile.values[begin / kPanel] + first;
    for (int64_t key = 0; key < keys; ++key, values += tile.value_step) {
      Vector columns[kPanels * kPanelVectors];  // NOLINT
      for (int64_t i = 0; i < kPanels * kPanelVectors; ++i) {
        columns[i] = load_wide(values + i * kLanes);
      }
      if constexpr (kAhead) {
        for (int64_t i = 0; i < kPanels; ++i)
          prefetch(ahead[begin / kPanel] + key * width + first + i * kPanel);
      }
      for (int64_t row = 0; row < kRows; ++row) {
        const Vector weight = broadcast(weights[row * kTileKeys + begin + key]);
        for (int64_t i = 0; i < kPanels * kPanelVectors; ++i) {
          partial[row][i] = fma(weight, columns[i], partial[row][i]);
        }
      }
    }
  }
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t i = 0; i < kPanels * kPanelVectors; ++i) {
      store(sums + row * width + i * kLanes, partial[row][i]);
    }
  }
}

// Calls step<rows, panels>() with compile-time counts.
template <int64_t kRows, int64_t kPanels, typename Step>
void with_panels(int64_t panels, const Step& step) {
  if constexpr (kPanels > 1) {
    if (panels < kPanels) return with_panels<kRows, kPanels - 1>(panels, step);
  }
  step.template operator()<kRows, kPanels>();
}
template <int64_t kRows, typename Step>
void with_counts(int64_t rows, int64_t panels, const Step& step) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return with_counts<kRows - 1>(rows, panels, step);
  }
  with_panels<kRows, panels_beside(kRows)>(panels, step);
}

// Calls step<rows, panels>(row, panel) over all rows and panels, `most_panels` at once at most.
template <typename Step>
void for_steps(int64_t rows, int64_t panels, int64_t most_panels, const Step& step) {
  const int64_t row_step = rows <= kFewRows ? rows : kRowStep;
  const int64_t panel_step = least(most_panels, panels_beside(row_step));
  for (int64_t panel = 0; panel < panels; panel += panel_step) {
    for (int64_t row = 0; row < rows; row += row_step) {
      with_counts<kFewRows>(
          least(row_step, rows - row), least(panel_step, panels - panel),
          [&]<int64_t kR, int64_t kP>() { step.template operator()<kR, kP>(row, panel); });
    }
  }
}

// The panels of a tile and of the next one in the order in which they are read.
template <typename Cache>
struct Course {
  Course(const Block& block, const Tile<Cache>& now, const Tile<Cache>& next)
      : tile(now), panels((now.count + kPanel - 1) / kPanel) {
    const int64_t panel_bytes = kPanel * block.width() * static_cast<int64_t>(sizeof(Cache));
    const int64_t distance = (kAheadBytes + panel_bytes - 1) / panel_bytes;
    for (int64_t i = 0; i < kTilePanels; ++i) {
      beside_keys[i] = panel_at(i + distance, next);
      beside_values[i] = panel_at(panels + i + distance, next);
    }
  }

  const Tile<Cache>& tile;
  int64_t panels;  // of the tile
  // What to fetch while a panel of keys or of values is computed.
  const Cache* beside_keys[kTilePanels];    // NOLINT
  const Cache* beside_values[kTilePanels];  // NOLINT

 private:
  // The keys, the values, the next keys; at the end some that are there already.
  [[nodiscard]] const Cache* panel_at(int64_t index, const Tile<Cache>& next) const {
    if (index < panels) return tile.keys[index];
    index -= panels;
    if (index < panels) return tile.values[index];
    index -= panels;
    return index < kTilePanels && index * kPanel < next.count ? next.keys[index] : tile.keys[0];
  }
};

// scores[row][key] of all rows and whole panels of the tile's keys.
template <typename Cache>
void add_scores(const Block& block, const Course<Cache>& course, float* scores) {
  const int64_t most_panels = block.rows <= kFewRows ? 1 : kPanelStep;
  const Tile<Cache>& tile = course.tile;
  for_steps(block.rows, course.panels, most_panels,
            [&]<int64_t kR, int64_t kP>(int64_t row, int64_t panel) {
              const float* a = block.queries + row * block.head_dim;
              float* out = scores + row * kTileKeys + panel * kPanel;
              const auto step =
                  row == 0 ? score_step<kR, kP, true, Cache> : score_step<kR, kP, false, Cache>;
              step(a, block.head_dim, tile.keys + panel, course.beside_keys + panel, tile,
                   block.head_dim, out);
            });
}

// values[row] += weights of the tile. Few rows take panel by panel of keys, as they lie in memory.
template <typename Cache>
void add_values(const Block& block,
                const Course<Cache>& course,
                const float* weights,
                const float* corrections,
                float* values) {
  const int64_t width = block.width();
  const int64_t keys_at_once = block.rows <= kFewRows ? kPanel : kTileKeys;
  for (int64_t begin = 0; begin < course.tile.count; begin += keys_at_once) {
    const Keys keys = {begin, least(course.tile.count, begin + keys_at_once)};
    for_steps(block.rows, width / kPanel, kPanelStep,
              [&]<int64_t kR, int64_t kP>(int64_t row, int64_t panel) {
                const auto step =
                    row == 0 ? value_step<kR, kP, true, Cache> : value_step<kR, kP, false, Cache>;
                step(weights + row * kTileKeys, begin == 0 ? corrections + row : nullptr,
                     course.tile, keys, course.beside_values, panel * kPanel,
                     values + row * width + panel * kPanel, width);
              });
  }
}

// Scores of one row become weights e^(score - highest); keys from `count` on get 0. Returns their
// sum.
float weigh(float* scores, int64_t count, int64_t end, float highest) {
  const Vector offset = broadcast(highest);
  Vector sum = broadcast(0);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vector weight = exp(load(scores + i) - offset);
    sum = sum + weight;
    store(scores + i, weight);
  }
  if (i < count) {
    const Vector weight = exp(load(scores + i) - offset);
    store_first(scores + i, weight, count - i);
    sum = sum + load_first(scores + i, count - i);
  }
  for (i = count; i < end; ++i) scores[i] = 0;
  return sum_of(sum);
}

float highest_of(const float* scores, int64_t count) {
  Vector highest = broadcast(kNone);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) highest = max(load(scores + i), highest);
  float result = max_of(highest);
  for (; i < count; ++i) result = scores[i] > result ? scores[i] : result;
  return result;
}

// The softmax of the tile's scores, row by row, each up to its own position.
void weigh_rows(const Block& block,
                int64_t begin,
                int64_t keys,
                float* scores,
                float* corrections,
                const Partial& to) {
  for (int64_t row = 0; row < block.rows; ++row) {
    const int64_t length = block.positions[row / block.heads] + int64_t{1} - begin;
    const int64_t count = length < 0 ? 0 : least(length, keys);
    float* line = scores + row * kTileKeys;
    const float before = to.highest[row];
    const float here = highest_of(line, count);
    const float highest = here > before ? here : before;
    float pair[kLanes] = {before - highest};  // NOLINT
    store(pair, exp(load(pair)));
    corrections[row] = pair[0];
    to.highest[row] = highest;
    to.weights[row] = to.weights[row] * pair[0] + weigh(line, count, keys, highest);
  }
}

template <typename Tiles>
void attend_tiles(const Block& block, const Tiles& tiles, const Partial& to) {
  float* scores = block.work;
  float* corrections = scores + block.rows * kTileKeys;
  for (int64_t i = 0; i < block.rows * block.width(); ++i) to.values[i] = 0;
  for (int64_t row = 0; row < block.rows; ++row) {
    to.highest[row] = kNone;
    to.weights[row] = 0;
  }
  auto tile = tiles.at(block.begin);
  for (int64_t begin = block.begin; begin < block.end; begin += kTileKeys) {
    const auto next = tiles.at(begin + kTileKeys);
    tiles.fill(begin, tile);
    const Course course(block, tile, next);
    add_scores(block, course, scores);
    weigh_rows(block, begin, tile.count, scores, corrections, to);
    add_values(block, course, scores, corrections, to.values);
    tile = next;
  }
}

template <typename Cache>
void attend_to(const Block& block, const Partial& to) {
  if (is_in_place(block)) {
    attend_tiles(block, PlacedTiles<Cache>(block), to);
  } else {
    float* copies = block.work + block.rows * (kTileKeys + 1);
    attend_tiles(block, CopiedTiles<Cache>(block, copies), to);
  }
}

void attend(const Block& block, const Partial& to) {
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

constexpr BlockKernels kBlockKernels = {attend, merge, divide, scale};

}  // namespace
}  // namespace partita::ops::attention
