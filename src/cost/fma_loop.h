// SPDX-License-Identifier: Apache-2.0
// The loop behind fma_rate.h, for one vector width.
#pragma once

#include <cstdint>
#include <cstring>

namespace partita::cost {

// 10 accumulators hide the 4-5 cycles of latency of two multiply-add units (2 x 5).
inline constexpr int kAccumulators = 10;

// Each round does one multiply-add per accumulator: 2 * kAccumulators * lanes operations. Always
// inlined, so that it is compiled for the target of its caller.
template <typename Vector>
[[gnu::always_inline]] inline double fma_loop(int64_t rounds, float& sink) {
  Vector sums[kAccumulators];
  for (int i = 0; i < kAccumulators; ++i) sums[i] = Vector{} + static_cast<float>(i);
  Vector factor = Vector{} + 0.999F;
  const Vector addend = Vector{} + 0.001F;
  for (int64_t round = 0; round < rounds; ++round) {
    // Keeps the compiler from folding rounds together.
    asm volatile("" : "+m"(factor));
    const Vector held = factor;
    for (auto& sum : sums) sum = sum * held + addend;
  }
  for (const auto& sum : sums) sink += sum[0];
  constexpr size_t kLanes = sizeof(Vector) / sizeof(float);
  return 2.0 * kAccumulators * static_cast<double>(kLanes) * static_cast<double>(rounds);
}

// As fma_loop, but every addend is widened from bf16 bits: a shift per multiply-add.
template <typename Vector, typename Bits>
[[gnu::always_inline]] inline double bf16_loop(int64_t rounds, float& sink) {
  Vector sums[kAccumulators];
  for (int i = 0; i < kAccumulators; ++i) sums[i] = Vector{} + static_cast<float>(i);
  const Vector factor = Vector{} + 0.999F;
  Bits narrow = Bits{} + 0x3a83U;  // 0.001 as bf16
  for (int64_t round = 0; round < rounds; ++round) {
    for (auto& sum : sums) {
      asm volatile("" : "+m"(narrow));
      const Bits wide = narrow << 16;
      Vector addend;
      std::memcpy(&addend, &wide, sizeof(addend));
      sum = sum * factor + addend;
    }
  }
  for (const auto& sum : sums) sink += sum[0];
  constexpr size_t kLanes = sizeof(Vector) / sizeof(float);
  return 2.0 * kAccumulators * static_cast<double>(kLanes) * static_cast<double>(rounds);
}

}  // namespace partita::cost
