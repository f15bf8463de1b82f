// SPDX-License-Identifier: Apache-2.0
// The fastest loops that an instruction level has, for the limits that kernels are compared with.
// Included by files that are compiled for one level.
#pragma once

#include <cstddef>
#include <cstdint>

namespace partita::api {

// Multiply-adds on registers only, in as many independent chains as hide their latency.
struct ArithmeticLoop {
  double operations_per_turn;   // 0: the level has no such instructions
  float (*run)(int64_t turns);  // the result only keeps the compiler from leaving work out
};

struct LimitLoops {
  uint64_t (*read)(const std::byte* data, int64_t bytes);  // aligned to 64, whole KiB
  ArithmeticLoop f32;
  ArithmeticLoop bf16;  // products of bf16 added in f32
  ArithmeticLoop int8;  // products of 8 bits added in 32
};

// The tables; a level that the build has not gets the next lower one.
[[nodiscard]] const LimitLoops& limit_loops_portable();
[[nodiscard]] const LimitLoops& limit_loops_avx2();
[[nodiscard]] const LimitLoops& limit_loops_avx512();

}  // namespace partita::api
