// SPDX-License-Identifier: Apache-2.0
// Arithmetic on integers that the language lacks.
#pragma once

#include <cstdint>

namespace partita {

// a / b, rounded up; a >= 0, b > 0, no overflow.
[[nodiscard]] constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace partita
