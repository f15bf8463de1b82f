// SPDX-License-Identifier: Apache-2.0
// The loop of products with dense weights, for the vectors of the instruction level that the
// including file is compiled for; the element types that every level has, and tables of them.
#pragma once

#include <utility>

#include "ops/product/dense_kernels.h"
#include "ops/product/dense_panels-inl.h"
#include "ops/vector/vector-inl.h"

namespace partita::ops {
namespace {

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
  bool continues;
  const std::byte* ahead;
  int64_t ahead_spacing;  // of the places that are fetched, one after the other
};

// Cache lines of kUsed vectors, and the bytes of such a fetch.
constexpr int fetches_of(int used) {
  return used * kLanes * 4 < kCacheLine ? 1 : static_cast<int>(used * kLanes * 4 / kCacheLine);
}

// y[kRows][64], of which kUsed vectors are computed. Sums that find no register lie on the stack.
template <typename Type, int kRows, int kUsed>
inline void add_steps(const DenseSteps& steps, float* y) {
  constexpr int kFetches = fetches_of(kUsed);
  Vector sums[kUsed][kRows];  // NOLINT: std::array would be code shared between instruction sets
#pragma GCC unroll 16
  for (int vector = 0; vector < kUsed; ++vector) {
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      sums[vector][row] =
          steps.continues ? load(y + row * kDenseTileRows + vector * kLanes) : broadcast(0.0F);
    }
  }
  const std::byte* weights = steps.weights;
  const float* x = steps.x;
  const std::byte* ahead = steps.ahead;
  for (int64_t step = 0; step < steps.count; ++step) {
#pragma GCC unroll 4
    for (int fetch = 0; fetch < kFetches; ++fetch) {
      __builtin_prefetch(ahead + fetch * steps.ahead_spacing, 0, 3);
    }
    ahead += kFetches * steps.ahead_spacing;
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
// Where weights come from memory, one pass over all columns keeps it busy, which is worth more than
// the few sums that then lie on the stack: 8 rows of bf16 with AVX-512 take 1.03 of a raw read, two
// passes over runs of 16 KiB 1.25.
constexpr int vectors_alone(int rows) { return kLanes == 16 ? kVectors : vectors_beside(rows); }

// One part of the columns after the other; each fetches its part of what comes next.
template <typename Type, int kRows, int kUsed, int kFirst>
inline void add_columns(const DenseTileCall& call) {
  constexpr int64_t kFirstByte = kFirst * kLanes * 4;
  const DenseSteps steps = {
      .weights = call.weights + kFirstByte,
      .x = reinterpret_cast<const float*>(call.panel),
      .count = call.steps,
      .continues = call.continues,
      .ahead = call.ahead + call.steps * call.ahead_bytes * kFirstByte / kDenseStepBytes,
      .ahead_spacing =
          call.ahead_bytes * (kUsed * kLanes * 4 / fetches_of(kUsed)) / kDenseStepBytes};
  add_steps<Type, kRows, kUsed>(steps, call.y + kFirst * kLanes);
  if constexpr (kFirst + kUsed < kVectors) add_columns<Type, kRows, kUsed, kFirst + kUsed>(call);
}

template <typename Type, int kRows>
void product_alone(const DenseTileCall& call) {
  add_columns<Type, kRows, vectors_alone(kRows), 0>(call);
}
template <typename Type, int kRows>
void product_beside(const DenseTileCall& call) {
  add_columns<Type, kRows, vectors_beside(kRows), 0>(call);
}

template <typename Type, typename Form, size_t... kRow>
constexpr DenseLoops loops_of(std::index_sequence<kRow...> rows) {
  static_assert(Type::kWords == Form::kWords);
  int64_t whole_rows = 0;
  while (whole_rows < static_cast<int64_t>(rows.size()) &&
         vectors_alone(static_cast<int>(whole_rows) + 1) == kVectors) {
    ++whole_rows;
  }
  return {.most_rows = static_cast<int64_t>(rows.size()),
          .whole_rows = whole_rows,
          .words = Form::kWords,
          .panel = make_panel<Form>,
          .alone = {nullptr, product_alone<Type, static_cast<int>(kRow) + 1>...},
          .beside = {nullptr, product_beside<Type, static_cast<int>(kRow) + 1>...}};
}

// The loops for panels of up to kMostRows.
template <typename Type, typename Form, int kMostRows>
constexpr DenseLoops dense_loops() {
  return loops_of<Type, Form>(std::make_index_sequence<kMostRows>());
}

}  // namespace
}  // namespace partita::ops
