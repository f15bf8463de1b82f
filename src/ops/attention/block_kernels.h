// SPDX-License-Identifier: Apache-2.0
// Attention of some rows (tokens x heads of one KV head) to a range of keys, compiled for several
// instruction sets.
#pragma once

#include <cstdint>

#include "support/dtype.h"

namespace partita::ops::attention {

constexpr int64_t kPanel = 16;      // keys that are computed together
constexpr int64_t kTileKeys = 128;  // keys between two corrections of the running maximum
constexpr int64_t kMostRows = 64;   // rows of a unit: its scores (32 KiB) stay in the L1 cache
constexpr int64_t kSegment = 1024;  // keys of a partial result; a multiple of kTileKeys

// Sums over some keys: weights e^(score - highest), their sum, and the weighted values. Results
// over consecutive ranges of keys are merged in order, whoever computed them.
struct Partial {
  float* values;   // [rows, width], width = head_dim in whole panels
  float* highest;  // [rows]
  float* weights;  // [rows]

  [[nodiscard]] static int64_t floats(int64_t rows, int64_t width) { return rows * (width + 2); }
  [[nodiscard]] static Partial in(float* memory, int64_t rows, int64_t width) {
    return {memory, memory + rows * width, memory + rows * width + rows};
  }
};

// Rows are token-major. Queries are given scaled: [rows, head_dim].
struct Block {
  const float* queries;
  int64_t rows;
  int64_t heads;             // rows of a token
  const int32_t* positions;  // of the tokens
  const void* keys;          // of the KV head: [blocks, head_dim, block_size]
  const void* values;        // [blocks, block_size, head_dim]
  DType dtype;               // of keys and values: f32, bf16, f16
  bool rounds_factors;       // queries and weights may be rounded to bf16 beside a bf16 cache
  int64_t block_size;
  int64_t head_dim;
  const int32_t* table;  // blocks of the sequence
  int64_t begin;         // keys; a multiple of kSegment
  int64_t end;           // at most the highest position + 1
  float* work;           // work_floats()

  [[nodiscard]] int64_t width() const { return (head_dim + kPanel - 1) / kPanel * kPanel; }
  // Scores, corrections, and copies of keys and values that cannot be used where they are.
  [[nodiscard]] static int64_t work_floats(int64_t rows, int64_t head_dim) {
    const int64_t width = (head_dim + kPanel - 1) / kPanel * kPanel;
    return rows * kTileKeys + rows + 2 * kTileKeys * width;
  }
  // Within work: the scores and corrections are before them; either is used, never both.
  [[nodiscard]] float* copies() const { return work + rows * (kTileKeys + 1); }
  [[nodiscard]] float* rounded_queries() const { return copies(); }
};

// Results of a row depend on nothing but its query, its position and the keys: not on the rows
// beside it.
struct BlockKernels {
  void (*attend)(const Block& block, const Partial& to);
  // `next` follows `sum` in the order of keys.
  void (*merge)(const Partial& sum, const Partial& next, int64_t rows, int64_t width);
  // out[i] = values[i] / weight, i < count
  void (*divide)(const float* values, float weight, int64_t count, float* out);
  void (*scale)(const float* x, float factor, int64_t count, float* out);  // out may be x
  // To nearest, ties to even; beyond +-65504, the largest, to that one: weights of 0 times infinity
  // would be NaN for tokens that do not even see it. NaN stays.
  void (*to_f16)(const float* x, int64_t count, Float16* out);
};

extern const BlockKernels kBlockKernelsPortable;
extern const BlockKernels kBlockKernelsAvx2;
extern const BlockKernels kBlockKernelsAvx512;

}  // namespace partita::ops::attention
