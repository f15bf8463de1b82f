// SPDX-License-Identifier: Apache-2.0
// Rows of activations as panels for the loops of dense_kernels-inl.h. Included by files that are
// compiled for one instruction level; everything is local to that file.
#pragma once

#include "ops/product/dense_kernels.h"

namespace partita::ops {
namespace {

// Steps that are made at a time: what the compiler turns into vectors.
constexpr int64_t kPanelSteps = 16;

inline uint32_t bits_of(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float float_of(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}

// To the nearest bf16, ties to even, as the upper half of the f32; NaN stays NaN.
inline uint32_t rounded_bits(float value) {
  const uint32_t bits = bits_of(value);
  const uint32_t rounded = bits + 0x7fffU + ((bits >> 16) & 1U);
  const bool is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
  return (is_nan ? bits | 0x400000U : rounded) & 0xffff0000U;
}
inline uint32_t pair(uint32_t even, uint32_t odd) { return even >> 16 | odd; }

// Each form makes the kWords words of one step from x[kDepth].
struct PanelF32 {
  static constexpr int64_t kDepth = 1;
  static constexpr int64_t kWords = 1;
  static void make(const float* x, uint32_t* words) { words[0] = bits_of(x[0]); }
};
struct PanelRounded {
  static constexpr int64_t kDepth = 2;
  static constexpr int64_t kWords = 1;
  static void make(const float* x, uint32_t* words) {
    words[0] = pair(rounded_bits(x[0]), rounded_bits(x[1]));
  }
};
// x = high + low with an error of 2^-17 of x. What is no number has no second part.
struct PanelSplit {
  static constexpr int64_t kDepth = 2;
  static constexpr int64_t kWords = 2;
  static uint32_t low(float x, uint32_t high) {
    const bool is_finite = (high & 0x7f800000U) != 0x7f800000U;
    return is_finite ? rounded_bits(x - float_of(high)) : 0U;
  }
  static void make(const float* x, uint32_t* words) {
    const uint32_t even = rounded_bits(x[0]);
    const uint32_t odd = rounded_bits(x[1]);
    words[0] = pair(even, odd);
    words[1] = pair(low(x[0], even), low(x[1], odd));
  }
};
struct PanelRoundedF32 {
  static constexpr int64_t kDepth = 2;
  static constexpr int64_t kWords = 2;
  static void make(const float* x, uint32_t* words) {
    words[0] = rounded_bits(x[0]);
    words[1] = rounded_bits(x[1]);
  }
};
struct PanelPairs {
  static constexpr int64_t kDepth = 2;
  static constexpr int64_t kWords = 2;
  static void make(const float* x, uint32_t* words) {
    words[0] = bits_of(x[0]);
    words[1] = bits_of(x[1]);
  }
};

// The words of `steps` (at most kPanelSteps) of a row at their places in the panel.
inline void place(
    const uint32_t* words, int64_t steps, int64_t per_step, int64_t stride, uint32_t* to) {
  for (int64_t step = 0; step < steps; ++step) {
    for (int64_t word = 0; word < per_step; ++word) {
      to[step * stride + word] = words[step * per_step + word];
    }
  }
}

template <typename Form>
void make_panel(const DensePanelCall& call) {
  constexpr int64_t kDepth = Form::kDepth;
  constexpr int64_t kWords = Form::kWords;
  const int64_t stride = call.rows * kWords;
  for (int64_t row = 0; row < call.rows; ++row) {
    uint32_t* to = reinterpret_cast<uint32_t*>(call.panel) + row * kWords;
    int64_t step = call.first_step;
    for (; step < call.end_step; step += kPanelSteps) {
      const int64_t steps = call.end_step - step < kPanelSteps ? call.end_step - step : kPanelSteps;
      const float* from = call.x[row] + step * kDepth;
      float tail[kPanelSteps * kDepth] = {};  // NOLINT: std::array would be shared code
      const int64_t left = call.k - step * kDepth;
      if (left < kPanelSteps * kDepth) {
        __builtin_memcpy(tail, from, static_cast<size_t>(left) * sizeof(float));
        from = tail;
      }
      uint32_t words[kPanelSteps * kWords];  // NOLINT
      for (int64_t i = 0; i < kPanelSteps; ++i) Form::make(from + i * kDepth, words + i * kWords);
      place(words, steps, kWords, stride, to + (step - call.first_step) * stride);
    }
  }
}

}  // namespace
}  // namespace partita::ops
