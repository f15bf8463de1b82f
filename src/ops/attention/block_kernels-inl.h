// SPDX-License-Identifier: Apache-2.0
// Attention of a block of rows, after Dao et al., "FlashAttention", 2022: tile by tile of keys with
// a running maximum. Both products are the same small matrix product: rows of scalars (queries,
// weights) by panels of 16 floats (elements of keys, elements of a value). Included by one source
// file per instruction set.
#pragma once

#include "ops/attention/block_kernels.h"
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
constexpr int64_t kTilePanels = kTileKeys / kPanel;
constexpr float kNone = -3.0e38F;  // below every score; finite, so that differences are numbers

// Where the panels of a tile are, in floats: element e of key k of panel i is keys[i][e * key_step
// + k], of the value values[i][k * value_step + e].
struct Tile {
  const float* keys[kTilePanels];    // NOLINT: std::array would be code shared between
  const float* values[kTilePanels];  // NOLINT: instruction sets
  int64_t key_step;
  int64_t value_step;
  int64_t count;  // keys
};

inline void prefetch(const float* line) { __builtin_prefetch(line, 0, 2); }

// out[row][panel * 16 ..] = sum over e of a[row][e] * b[panel][e * step ..]. Each sum is one chain
// in the order of e, so it does not depend on the shape of the step. kAhead: also fetches the lines
// at the same places of `ahead`, which has the same number of bytes.
template <int64_t kRows, int64_t kPanels, bool kAhead>
void score_step(const float* a,
                int64_t a_step,
                const float* const* b,
                const float* const* ahead,
                const Tile& tile,
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
        columns[panel * kPanelVectors + v] = load(b[panel] + e * tile.key_step + v * kLanes);
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

// sums[row][..] = sums[row][..] * corrections[row] + sum over the tile's keys of weights[row][key]
// * values[key][..], for kPanels panels of elements from `first` on.
template <int64_t kRows, int64_t kPanels, bool kAhead>
void value_step(const float* weights,
                const float* corrections,
                const Tile& tile,
                const float* const* ahead,
                int64_t first,
                float* sums,
                int64_t width) {
  Vector partial[kRows][kPanels * kPanelVectors];  // NOLINT
  for (int64_t row = 0; row < kRows; ++row) {
    const Vector correction = broadcast(corrections[row]);
    for (int64_t i = 0; i < kPanels * kPanelVectors; ++i) {
      partial[row][i] = load(sums + row * width + i * kLanes) * correction;
    }
  }
  for (int64_t begin = 0, panel = 0; begin < tile.count; begin += kPanel, ++panel) {
    const int64_t keys = tile.count - begin < kPanel ? tile.count - begin : kPanel;
    const float* values = tile.values[panel] + first;
    for (int64_t key = 0; key < keys; ++key, values += tile.value_step) {
      Vector columns[kPanels * kPanelVectors];  // NOLINT
      for (int64_t i = 0; i < kPanels * kPanelVectors; ++i) columns[i] = load(values + i * kLanes);
      if constexpr (kAhead) {
        for (int64_t i = 0; i < kPanels; ++i) {
          prefetch(ahead[panel] + key * width + first + i * kPanel);
        }
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

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

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

// scores[row][key] of all rows and whole panels of the tile's keys. The first rows fetch the
// values, which come next.
void add_scores(const Block& block, const Tile& tile, float* scores) {
  const int64_t panels = (tile.count + kPanel - 1) / kPanel;
  const int64_t most_panels = block.rows <= kFewRows ? 1 : kPanelStep;
  for_steps(
      block.rows, panels, most_panels, [&]<int64_t kR, int64_t kP>(int64_t row, int64_t panel) {
        const float* a = block.queries + row * block.head_dim;
        float* out = scores + row * kTileKeys + panel * kPanel;
        const auto step = row == 0 ? score_step<kR, kP, true> : score_step<kR, kP, false>;
        step(a, block.head_dim, tile.keys + panel, tile.values + panel, tile, block.head_dim, out);
      });
}

// values[row] += weights of the tile. The first rows fetch the keys of the next tile.
void add_values(const Block& block,
                const Tile& tile,
                const Tile& next,
                const float* weights,
                const float* corrections,
                float* values) {
  const int64_t width = block.width();
  for_steps(block.rows, width / kPanel, kPanelStep,
            [&]<int64_t kR, int64_t kP>(int64_t row, int64_t panel) {
              const bool fetches = row == 0 && next.count > 0;
              const auto step = fetches ? value_step<kR, kP, true> : value_step<kR, kP, false>;
              step(weights + row * kTileKeys, corrections + row, tile, next.keys, panel * kPanel,
                   values + row * width + panel * kPanel, width);
            });
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
                const Tile& tile,
                float* scores,
                float* corrections,
                const Partial& to) {
  for (int64_t row = 0; row < block.rows; ++row) {
    const int64_t length = block.positions[row / block.heads] + int64_t{1} - begin;
    const int64_t count = length < 0 ? 0 : least(length, tile.count);
    float* line = scores + row * kTileKeys;
    const float before = to.highest[row];
    const float here = highest_of(line, count);
    const float highest = here > before ? here : before;
    float pair[kLanes] = {before - highest};  // NOLINT
    store(pair, exp(load(pair)));
    corrections[row] = pair[0];
    to.highest[row] = highest;
    to.weights[row] = to.weights[row] * pair[0] + weigh(line, count, tile.count, highest);
  }
}

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

// Copies keys [begin, begin + count) of the sequence as f32 into panels, values beside them.
template <typename Cache>
void copy_tile(const Block& block, int64_t begin, int64_t count, float* keys, float* values) {
  const int64_t width = block.width();
  const int64_t block_elements = block.block_size * block.head_dim;
  for (int64_t key = 0; key < count; ++key) {
    const int64_t position = begin + key;
    const int64_t from = block.table[position / block.block_size] * block_elements;
    const int64_t row = position % block.block_size;
    const Cache* k = static_cast<const Cache*>(block.keys) + from + row;
    const Cache* v = static_cast<const Cache*>(block.values) + from + row * block.head_dim;
    float* to = keys + key / kPanel * kPanel * width + key % kPanel;
    for (int64_t e = 0; e < block.head_dim; ++e) to[e * kPanel] = widen(k[e * block.block_size]);
    for (int64_t e = 0; e < block.head_dim; ++e) values[key * width + e] = widen(v[e]);
    for (int64_t e = block.head_dim; e < width; ++e) values[key * width + e] = 0;
  }
}

// Finds the tiles of a block; copies what cannot be used in place.
class Tiles {
 public:
  Tiles(const Block& block, float* copies)
      : block_(block),
        in_place_(block.dtype == DType::kF32 && block.block_size % kPanel == 0 &&
                  block.head_dim % kPanel == 0),
        copies_(copies) {}

  // Only names the places; the next call of copy() fills those of copies.
  [[nodiscard]] Tile at(int64_t begin) const {
    Tile tile;
    tile.count = begin < block_.end ? least(kTileKeys, block_.end - begin) : 0;
    tile.key_step = in_place_ ? block_.block_size : kPanel;
    tile.value_step = block_.width();
    for (int64_t panel = 0; panel < kTilePanels; ++panel) {
      if (in_place_ && panel * kPanel < tile.count) {
        place(begin + panel * kPanel, panel, tile);
      } else {
        tile.keys[panel] = copies_ + panel * kPanel * block_.width();
        tile.values[panel] = tile.keys[panel] + kTileKeys * block_.width();
      }
    }
    return tile;
  }

  void copy(int64_t begin, const Tile& tile) const {
    if (in_place_) return;
    float* values = copies_ + kTileKeys * block_.width();
    if (block_.dtype == DType::kF32) copy_tile<float>(block_, begin, tile.count, copies_, values);
    if (block_.dtype == DType::kBF16)
      copy_tile<BFloat16>(block_, begin, tile.count, copies_, values);
    if (block_.dtype == DType::kF16) copy_tile<Float16>(block_, begin, tile.count, copies_, values);
  }

 private:
  void place(int64_t position, int64_t panel, Tile& tile) const {
    const int64_t size = block_.block_size;
    const int64_t from = block_.table[position / size] * size * block_.head_dim;
    const int64_t row = position % size;
    tile.keys[panel] = static_cast<const float*>(block_.keys) + from + row;
    tile.values[panel] = static_cast<const float*>(block_.values) + from + row * block_.head_dim;
  }

  const Block& block_;
  bool in_place_;
  float* copies_;
};

void attend(const Block& block, const Partial& to) {
  float* scores = block.work;
  float* corrections = scores + block.rows * kTileKeys;
  const Tiles tiles(block, corrections + block.rows);
  for (int64_t i = 0; i < block.rows * block.width(); ++i) to.values[i] = 0;
  for (int64_t row = 0; row < block.rows; ++row) {
    to.highest[row] = kNone;
    to.weights[row] = 0;
  }
  Tile tile = tiles.at(block.begin);
  for (int64_t begin = block.begin; begin < block.end; begin += kTileKeys) {
    const Tile next = tiles.at(begin + kTileKeys);
    tiles.copy(begin, tile);
    add_scores(block, tile, scores);
    weigh_rows(block, begin, tile, scores, corrections, to);
    add_values(block, tile, next, scores, corrections, to.values);
    tile = next;
  }
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
