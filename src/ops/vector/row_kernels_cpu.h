// SPDX-License-Identifier: Apache-2.0
// Functions on rows of floats, compiled for several instruction sets: norms, softmax, activations,
// rotations. They are serial; operators share rows among threads.
#pragma once

#include <cstdint>
#include <string_view>

#include "device/cpu/instructions.h"

namespace partita::ops {

// x[rows, width] -> y[rows, width], w[width], b[width] (null for rms_norm). y may be x.
struct NormRows {
  const float* x;
  const float* w;
  const float* b;
  float* y;
  int64_t rows;
  int64_t width;
  float eps;
};

// Heads [heads, head_dim] of one token, dense; the pairs (i, i + half) are rotated by angle i,
// whose cosine and sine are given, the elements from 2 * half on copied. `to` may be `from`.
struct RotateHeads {
  const float* from;
  float* to;
  int64_t heads;
  int64_t head_dim;
  int64_t half;
  const float* cosine;  // [half]
  const float* sine;
};

using UnaryRow = void (*)(const float* x, float* y, int64_t count);  // y may be x
using BinaryRow = void (*)(const float* a,
                           const float* b,
                           float* y,
                           int64_t count);  // y may be either

// Results of a row depend on nothing but the row. Sums are taken in f32 over some dozen partial
// sums.
struct RowKernels {
  // x / sqrt(mean(x^2) + eps) * w
  void (*rms_norm)(const NormRows& norm);
  // (x - mean) / sqrt(variance + eps) * w + b
  void (*layer_norm)(const NormRows& norm);
  // e^(x - highest) / sum
  UnaryRow softmax;
  UnaryRow exp, silu, gelu, gelu_tanh, sigmoid, relu;
  BinaryRow add, sub, mul;
  // activation(a) * b
  BinaryRow gated_silu, gated_gelu, gated_gelu_tanh, gated_relu;
  // cosine[i] and sine[i] of position * frequencies[i], the product rounded to f32
  void (*angles)(
      float position, const float* frequencies, int64_t count, float* cosine, float* sine);
  void (*rotate)(const RotateHeads& rotation);
};

extern const RowKernels kRowKernelsPortable;
extern const RowKernels kRowKernelsAvx2;    // in a build without AVX2 the same as portable
extern const RowKernels kRowKernelsAvx512;  // in a build without AVX-512 the same as portable

// Those of a level, which must be usable.
[[nodiscard]] const RowKernels& row_kernels(device::Instructions level);

// activation(a) * b for one of kActivationNames; null for other names.
[[nodiscard]] BinaryRow gated_kernel(const RowKernels& kernels, std::string_view activation);

}  // namespace partita::ops
