// SPDX-License-Identifier: Apache-2.0
// The loops of row kernels. Included by one source file per instruction set.
#pragma once

// No functions of the C++ library: their code would be shared between instruction sets.
#include "ops/vector/functions-inl.h"
#include "ops/vector/row_kernels_cpu.h"

namespace partita::ops {
namespace {

// y[i] = function(x[i]); tails go through registers of which some lanes are 0.
template <typename Function>
void map_row(const float* x, float* y, int64_t count, const Function& function) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, function(load(x + i)));
  if (i < count) store_first(y + i, function(load_first(x + i, count - i)), count - i);
}

template <typename Function>
void map_rows(const float* a, const float* b, float* y, int64_t count, const Function& function) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, function(load(a + i), load(b + i)));
  if (i == count) return;
  const int64_t rest = count - i;
  store_first(y + i, function(load_first(a + i, rest), load_first(b + i, rest)), rest);
}

// Sum of term(x[i]) over a row, term(0) of the tail's empty lanes left out. Four partial sums hide
// the latency of additions.
template <typename Term>
float sum_row(const float* x, int64_t count, const Term& term) {
  Vector sums[4] = {broadcast(0), broadcast(0), broadcast(0), broadcast(0)};  // NOLINT
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    for (int64_t part = 0; part < 4; ++part) {
      sums[part] = term(load(x + i + part * kLanes), sums[part]);
    }
  }
  for (; i + kLanes <= count; i += kLanes) sums[0] = term(load(x + i), sums[0]);
  float rest = 0;
  if (i < count) {
    float lanes[kLanes];  // NOLINT
    store(lanes, term(load_first(x + i, count - i), broadcast(0)));
    for (int64_t lane = 0; lane < count - i; ++lane) rest += lanes[lane];
  }
  return sum_of((sums[0] + sums[1]) + (sums[2] + sums[3])) + rest;
}

void rms_norm_rows(const NormRows& norm) {
  for (int64_t row = 0; row < norm.rows; ++row) {
    const float* x = norm.x + row * norm.width;
    const float squares =
        sum_row(x, norm.width, [](Vector a, Vector sum) { return fma(a, a, sum); });
    const float mean = squares / static_cast<float>(norm.width);
    const Vector scale = broadcast(1 / __builtin_sqrtf(mean + norm.eps));
    map_rows(x, norm.w, norm.y + row * norm.width, norm.width,
             [scale](Vector a, Vector w) { return a * scale * w; });
  }
}

void layer_norm_rows(const NormRows& norm) {
  const auto width = static_cast<float>(norm.width);
  for (int64_t row = 0; row < norm.rows; ++row) {
    const float* x = norm.x + row * norm.width;
    float* y = norm.y + row * norm.width;
    const float sum = sum_row(x, norm.width, [](Vector a, Vector part) { return part + a; });
    const Vector mean = broadcast(sum / width);
    const float squares = sum_row(x, norm.width, [mean](Vector a, Vector part) {
      const Vector distance = a - mean;
      return fma(distance, distance, part);
    });
    const Vector scale = broadcast(1 / __builtin_sqrtf(squares / width + norm.eps));
    map_rows(x, norm.w, y, norm.width,
             [mean, scale](Vector a, Vector w) { return (a - mean) * scale * w; });
    map_rows(y, norm.b, y, norm.width, [](Vector a, Vector b) { return a + b; });
  }
}

void softmax_row(const float* x, float* y, int64_t count) {
  float highest = x[0];
  Vector most = broadcast(highest);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) most = max(load(x + i), most);
  for (; i < count; ++i) highest = x[i] > highest ? x[i] : highest;
  const float other = max_of(most);
  const Vector offset = broadcast(other > highest ? other : highest);
  map_row(x, y, count, [offset](Vector a) { return exp(a - offset); });
  const float sum = sum_row(y, count, [](Vector a, Vector part) { return part + a; });
  const Vector scale = broadcast(1 / sum);
  map_row(y, y, count, [scale](Vector a) { return a * scale; });
}

inline Vector sigmoid(Vector x) {
  return broadcast(1.0F) / (broadcast(1.0F) + exp(broadcast(0.0F) - x));
}

template <Vector (*kFunction)(Vector)>
void unary_row(const float* x, float* y, int64_t count) {
  map_row(x, y, count, [](Vector a) { return kFunction(a); });
}

void add_row(const float* a, const float* b, float* y, int64_t count) {
  map_rows(a, b, y, count, [](Vector x1, Vector x2) { return x1 + x2; });
}
void sub_row(const float* a, const float* b, float* y, int64_t count) {
  map_rows(a, b, y, count, [](Vector x1, Vector x2) { return x1 - x2; });
}
void mul_row(const float* a, const float* b, float* y, int64_t count) {
  map_rows(a, b, y, count, [](Vector x1, Vector x2) { return x1 * x2; });
}

template <Vector (*kFunction)(Vector)>
void gated_row(const float* gate, const float* up, float* y, int64_t count) {
  map_rows(gate, up, y, count, [](Vector a, Vector b) { return kFunction(a) * b; });
}

// From the C library where there is no fma, and for the tail and very large angles.
void angles_of(
    float position, const float* frequencies, int64_t count, float* cosine, float* sine) {
  int64_t i = 0;
#if defined(__AVX2__)
  const Vector factor = broadcast(position);
  for (; i + kLanes <= count; i += kLanes) {
    // Frequencies ascend or descend.
    if (position * frequencies[i] > kMostRadians) break;
    if (position * frequencies[i + kLanes - 1] > kMostRadians) break;
    const SineCosine both = sine_cosine(factor * load(frequencies + i));
    store(cosine + i, both.cosine);
    store(sine + i, both.sine);
  }
#endif
  for (; i < count; ++i) {
    const float angle = position * frequencies[i];
    cosine[i] = __builtin_cosf(angle);
    sine[i] = __builtin_sinf(angle);
  }
}

void rotate_heads(const RotateHeads& rotation) {
  const int64_t half = rotation.half;
  for (int64_t head = 0; head < rotation.heads; ++head) {
    const float* x = rotation.from + head * rotation.head_dim;
    float* y = rotation.to + head * rotation.head_dim;
    int64_t i = 0;
    for (; i + kLanes <= half; i += kLanes) {
      const Vector a = load(x + i);
      const Vector b = load(x + i + half);
      const Vector cosine = load(rotation.cosine + i);
      const Vector sine = load(rotation.sine + i);
      store(y + i, fnma(b, sine, a * cosine));
      store(y + i + half, fma(a, sine, b * cosine));
    }
    for (; i < half; ++i) {
      const float a = x[i];
      const float b = x[i + half];
      y[i] = a * rotation.cosine[i] - b * rotation.sine[i];
      y[i + half] = b * rotation.cosine[i] + a * rotation.sine[i];
    }
    for (i = 2 * half; i < rotation.head_dim; ++i) y[i] = x[i];
  }
}

constexpr RowKernels kRowKernels = {
    .rms_norm = rms_norm_rows,
    .layer_norm = layer_norm_rows,
    .softmax = softmax_row,
    .exp = unary_row<exp>,
    .silu = unary_row<silu>,
    .gelu = unary_row<gelu>,
    .gelu_tanh = unary_row<gelu_tanh>,
    .sigmoid = unary_row<sigmoid>,
    .relu = unary_row<relu>,
    .add = add_row,
    .sub = sub_row,
    .mul = mul_row,
    .gated_silu = gated_row<silu>,
    .gated_gelu = gated_row<gelu>,
    .gated_gelu_tanh = gated_row<gelu_tanh>,
    .gated_relu = gated_row<relu>,
    .angles = angles_of,
    .rotate = rotate_heads,
};

}  // namespace
}  // namespace partita::ops
