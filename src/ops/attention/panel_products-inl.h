// SPDX-License-Identifier: Apache-2.0
// Both products of attention are the same small matrix product: rows of factors (queries, weights)
// by panels of 16 floats (elements of 16 keys, 16 elements of a value). Included by one source file
// per instruction set.
#pragma once

#include "ops/attention/block_kernels.h"
#include "ops/attention/factors-inl.h"
#include "ops/attention/tiles-inl.h"

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
inline void prefetch(const void* line) { __builtin_prefetch(line, 0, 3); }

// Memory to be fetched beside two panels: the even lines and the odd ones. A line is what a column
// of a panel holds.
struct Lines {
  const std::byte* even;
  const std::byte* odd;
  int64_t stride;  // bytes from a line to the next one of its kind

  [[nodiscard]] Lines from(int64_t even_line) const {
    return {even + even_line / 2 * stride, odd + even_line / 2 * stride, stride};
  }
  void fetch(int64_t line) const { prefetch((line % 2 == 0 ? even : odd) + line / 2 * stride); }
};

// out[row][panel * 16 ..] = sum over e of a[row][e] * b[panel][e * key_step ..], e < count. Each
// sum is one chain in the order of e, so it does not depend on the shape of the step. kAhead: also
// fetches `ahead`, of which one is for two panels.
template <typename Arithmetic, int64_t kRows, int64_t kPanels, bool kAhead>
void score_step(const typename Arithmetic::Factor* a,
                const typename Arithmetic::Cache* const* b,
                const Lines* ahead,
                int64_t key_step,
                int64_t count,
                float* out) {
  constexpr int64_t kDepth = Arithmetic::kDepth;
  const int64_t a_step = count / kDepth;
  Vector sums[kRows][kPanels * kPanelVectors];  // NOLINT
  for (auto& row : sums) {
    for (Vector& sum : row) sum = broadcast(0);
  }
  for (int64_t e = 0; e < count; e += kDepth) {
    typename Arithmetic::Column columns[kPanels * kPanelVectors];  // NOLINT
    for (int64_t panel = 0; panel < kPanels; ++panel) {
      for (int64_t v = 0; v < kPanelVectors; ++v) {
        columns[panel * kPanelVectors + v] =
            Arithmetic::keys(b[panel] + e * key_step + v * kLanes, key_step);
      }
      if constexpr (kAhead) {
        const int64_t line = e / kDepth * (kPanels == 1 ? 1 : 2) + panel % 2;
        ahead[panel / 2 * 2].fetch(line);
      }
    }
    for (int64_t row = 0; row < kRows; ++row) {
      const auto factor = Arithmetic::all(a[row * a_step + e / kDepth]);
      for (int64_t i = 0; i < kPanels * kPanelVectors; ++i) {
        sums[row][i] = Arithmetic::add(sums[row][i], factor, columns[i]);
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
// fetches its share of `ahead`, one for each panel of the tile.
template <typename Arithmetic, int64_t kRows, int64_t kPanels, bool kAhead>
void value_step(const typename Arithmetic::Factor* weights,
                const float* corrections,
                const Tile<typename Arithmetic::Cache>& tile,
                Keys range,
                const Lines* ahead,
                int64_t first,
                float* sums,
                int64_t width) {
  constexpr int64_t kDepth = Arithmetic::kDepth;
  Vector partial[kRows][kPanels * kPanelVectors];  // NOLINT
  for (int64_t row = 0; row < kRows; ++row) {
    const Vector correction = broadcast(corrections == nullptr ? 1.0F : corrections[row]);
    for (int64_t i = 0; i < kPanels * kPanelVectors; ++i) {
      partial[row][i] = load(sums + row * width + i * kLanes) * correction;
    }
  }
  for (int64_t begin = range.begin; begin < range.end; begin += kPanel) {
    const int64_t keys = least(range.end - begin, kPanel);
    const typename Arithmetic::Cache* values = tile.values[begin / kPanel] + first;
    const Lines lines = ahead[begin / kPanel].from(first / kDepth);
    for (int64_t key = 0; key < keys; key += kDepth, values += kDepth * tile.value_step) {
      typename Arithmetic::Column columns[kPanels * kPanelVectors];  // NOLINT
      for (int64_t i = 0; i < kPanels * kPanelVectors; ++i) {
        columns[i] = Arithmetic::values(values + i * kLanes, tile.value_step, keys - key);
      }
      if constexpr (kAhead) {
        for (int64_t i = 0; i < kPanels; ++i) lines.fetch(key / kDepth * kPanels + i);
      }
      for (int64_t row = 0; row < kRows; ++row) {
        const auto weight = Arithmetic::all(weights[row * kTileKeys + (begin + key) / kDepth]);
        for (int64_t i = 0; i < kPanels * kPanelVectors; ++i) {
          partial[row][i] = Arithmetic::add(partial[row][i], weight, columns[i]);
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
  // In steps of the same size, as far as they can be: short ones wait for each addition.
  const int64_t most = least(most_panels, panels_beside(row_step));
  const int64_t steps = (panels + most - 1) / most;
  const int64_t panel_step = steps == 0 ? 1 : (panels + steps - 1) / steps;
  for (int64_t panel = 0; panel < panels; panel += panel_step) {
    for (int64_t row = 0; row < rows; row += row_step) {
      with_counts<kFewRows>(
          least(row_step, rows - row), least(panel_step, panels - panel),
          [&]<int64_t kR, int64_t kP>() { step.template operator()<kR, kP>(row, panel); });
    }
  }
}

}  // namespace
}  // namespace partita::ops::attention
