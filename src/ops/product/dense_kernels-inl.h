// SPDX-License-Identifier: Apache-2.0
// The loop of products with dense weights, for the vectors of the instruction level that the
// including file is compiled for; and the element types that every level has.
#pragma once

#include "ops/product/dense_kernels.h"
#include "ops/vector/vector-inl.h"

namespace partita::ops {
namespace {

constexpr int64_t kPrefetchBytes = 8192;  // as for weights in blocks
constexpr int64_t kCacheLine = 64;
constexpr int kVectors = kDenseTileRows / kLanes;

// An element type: what a vector of weights is unpacked to, what of x it meets (kWords words of 32
// bits per row and step), and how their products are added.
struct DenseF32 {
  static constexpr int64_t kWords = 1;
  using Weights = Vector;
  using Factor = Vector;
  static Weights weights(const std::byte* from) {
    return load(reinterpret_cast<const float*>(from));
  }
  static Factor factor(const float* x) { return broadcast(*x); }
  static Vector add(Vector sum, const Weights& w, const Factor& x) { return fma(w, x, sum); }
};

// bf16 as f32, whose upper half it is: first the even k of the pair, then the odd one.
struct DenseWidenedBF16 {
  static constexpr int64_t kWords = 2;
  struct Pair {
    Vector even;
    Vector odd;
  };
  using Weights = Pair;
  using Factor = Pair;
  static Weights weights(const std::byte* from) {
    using Words = uint32_t __attribute__((vector_size(sizeof(Register))));
    const Words words = (Words)load(reinterpret_cast<const float*>(from)).value;
    return {{(Register)(words << 16)}, {(Register)(words & 0xffff0000U)}};
  }
  static Factor factor(const float* x) { return {broadcast(x[0]), broadcast(x[1])}; }
  static Vector add(Vector sum, const Weights& w, const Factor& x) {
    return fma(w.odd, x.odd, fma(w.even, x.even, sum));
  }
};

struct DenseSteps {
  const std::byte* weights;  // of the first vector that is asked for
  const float* x;
  int64_t count;
};

// y[kRows][64], of which kUsed vectors are continued. kLines: cache lines of each step that are
// fetched ahead.
template <typename Type, int kRows, int kUsed, int kLines>
inline void add_steps(const DenseSteps& steps, float* y) {
  Vector sums[kUsed][kRows];  // NOLINT: std::array would be code shared between instruction sets
#pragma GCC unroll 16
  for (int vector = 0; vector < kUsed; ++vector) {
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      sums[vector][row] = load(y + row * kDenseTileRows + vector * kLanes);
    }
  }
  const std::byte* weights = steps.weights;
  const float* x = steps.x;
  for (int64_t step = 0; step < steps.count; ++step) {
#pragma GCC unroll 4
    for (int line = 0; line < kLines; ++line) {
      __builtin_prefetch(weights + kPrefetchBytes + line * kCacheLine, 0, 3);
    }
    typename Type::Weights own[kUsed];  // NOLINT
#pragma GCC unroll 16
    for (int vector = 0; vector < kUsed; ++vector) {
      own[vector] = Type::weights(weights + vector * kLanes * 4);
    }
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      const typename Type::Factor factor = Type::factor(x + row * Type::kWords);
#pragma GCC unroll 16
      for (int vector = 0; vector < kUsed; ++vector) {
        sums[vector][row] = Type::add(sums[vector][row], own[vector], factor);
      }
    }
    weights += kDenseStepBytes;
    x += kRows * Type::kWords;
  }
#pragma GCC unroll 16
  for (int vector = 0; vector < kUsed; ++vector) {
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      store(y + row * kDenseTileRows + vector * kLanes, sums[vector][row]);
    }
  }
}

// Vectors of sums that stay in registers beside so many rows: 24 of the 32 of AVX-512, 8 of 16
// elsewhere (as many as the latency of fma asks for; widened weights need the others).
constexpr int vectors_beside(int rows) {
  if (kLanes == 16) return rows <= 6 ? kVectors : kVectors / 2;
  return rows == 1 ? 8 : rows == 2 ? 4 : 2;
}

// One part of the columns after the other, a short run of steps at a time.
template <typename Type, int kRows, int kFirst>
inline void add_columns(const DenseSteps& steps, float* y) {
  constexpr int kUsed = vectors_beside(kRows);
  constexpr int kLines = kFirst == 0 ? kDenseStepBytes / kCacheLine : 0;
  add_steps<Type, kRows, kUsed, kLines>({steps.weights + kFirst * kLanes * 4, steps.x, steps.count},
                                        y + kFirst * kLanes);
  if constexpr (kFirst + kUsed < kVectors) add_columns<Type, kRows, kFirst + kUsed>(steps, y);
}

// The run of steps is 16 KiB of weights, which stay in the L1 cache for the other columns.
template <typename Type, int kRows>
void dense_tile_product(const DenseTileCall& call) {
  constexpr int64_t kRunSteps = 64;
  alignas(64) float y[kRows * kDenseTileRows] = {};  // NOLINT
  if (call.continues) {
    for (int row = 0; row < kRows; ++row) {
      __builtin_memcpy(y + row * kDenseTileRows, call.y + row * call.y_columns,
                       static_cast<size_t>(call.tile_rows) * sizeof(float));
    }
  }
  const auto* x = reinterpret_cast<const float*>(call.panel);
  constexpr bool kWhole = vectors_beside(kRows) == kVectors;
  const int64_t run = kWhole ? call.steps : kRunSteps;
  for (int64_t step = 0; step < call.steps; step += run) {
    const int64_t left = call.steps - step;
    add_columns<Type, kRows, 0>({call.tile + step * kDenseStepBytes,
                                 x + step * kRows * Type::kWords, left < run ? left : run},
                                y);
  }
  for (int row = 0; row < kRows; ++row) {
    __builtin_memcpy(call.y + row * call.y_columns, y + row * kDenseTileRows,
                     static_cast<size_t>(call.tile_rows) * sizeof(float));
  }
}

}  // namespace
}  // namespace partita::ops
