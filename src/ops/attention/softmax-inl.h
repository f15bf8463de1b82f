// SPDX-License-Identifier: Apache-2.0
// The softmax of a tile's scores with a running maximum per row. Included by one source file per
// instruction set.
#pragma once

#include "ops/attention/block_kernels.h"
#include "ops/attention/tiles-inl.h"
#include "ops/vector/functions-inl.h"

namespace partita::ops::attention {
namespace {

constexpr float kNone = -3.0E38F;  // below every score; finite, so that differences are numbers

// Scores of one row become weights e^(score - highest); keys from `count` on get 0. Returns their
// sum.
float weigh(float* scores, int64_t count, int64_t end, float highest) {
  const Vector offset = broadcast(highest);
  Vector sum = broadcast(0);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vector weight = exp_of_negative(load(scores + i) - offset);
    sum = sum + weight;
    store(scores + i, weight);
  }
  if (i < count) {
    const Vector rest = min(load_first(scores + i, count - i) - offset, broadcast(0));
    const Vector weight = exp_of_negative(rest);
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

// Keys of a tile that a row attends to: those up to its own position.
inline int64_t visible_keys(const Block& block, int64_t row, int64_t begin, int64_t keys) {
  const int64_t length = block.positions[row / block.heads] + int64_t{1} - begin;
  return length < 0 ? 0 : least(length, keys);
}

// The new maxima of all rows, and the factors by which their sums so far shrink. `highest_here`
// may be `corrections`.
void correct_rows(const Partial& to, const float* highest_here, int64_t rows, float* corrections) {
  int64_t row = 0;
  for (; row + kLanes <= rows; row += kLanes) {
    const Vector before = load(to.highest + row);
    const Vector highest = max(load(highest_here + row), before);
    store(to.highest + row, highest);
    store(corrections + row, exp(before - highest));
  }
  if (row == rows) return;
  const Vector before = load_first(to.highest + row, rows - row);
  const Vector highest = max(load_first(highest_here + row, rows - row), before);
  store_first(to.highest + row, highest, rows - row);
  store_first(corrections + row, exp(before - highest), rows - row);
}

// Scores of all rows become weights. A row's are 0 behind its own position, up to `end` keys.
void weigh_rows(const Block& block,
                int64_t begin,
                int64_t end,
                float* scores,
                float* corrections,
                const Partial& to) {
  for (int64_t row = 0; row < block.rows; ++row) {
    corrections[row] = highest_of(scores + row * kTileKeys, visible_keys(block, row, begin, end));
  }
  correct_rows(to, corrections, block.rows, corrections);
  for (int64_t row = 0; row < block.rows; ++row) {
    const int64_t count = visible_keys(block, row, begin, end);
    const float sum = weigh(scores + row * kTileKeys, count, end, to.highest[row]);
    to.weights[row] = to.weights[row] * corrections[row] + sum;
  }
}

}  // namespace
}  // namespace partita::ops::attention
