// SPDX-License-Identifier: Apache-2.0
// The floating-point rate of one core in registers: fma_rate_x86.cpp | fma_rate_plain.cpp, CMake
// picks.
#pragma once

#include <cstdint>

namespace partita::cost {

// Runs `rounds` rounds of independent multiply-adds in the widest vectors that this machine has and
// returns the number of floating-point operations done. The result of the arithmetic goes to
// `sink`.
double run_f32_fma(int64_t rounds, float& sink);

// The same with one operand widened from bf16 in each multiply-add, as kernels without bf16 units
// do.
double run_bf16_fma(int64_t rounds, float& sink);

}  // namespace partita::cost
