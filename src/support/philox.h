// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10: a counter-based generator, so that a random number depends on its index and not on
// history.
#pragma once

#include <array>
#include <cstdint>

namespace partita {

// The four 32-bit words of block `counter` under `key`. Source: Salmon et al., "Parallel Random
// Numbers: As Easy as 1, 2, 3", SC 2011 (10 rounds).
[[nodiscard]] std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter,
                                                 std::array<uint32_t, 2> key);

// Uniform double in [0, 1) with 53 random bits for (seed, index). The same pair always gives the
// same number.
[[nodiscard]] double uniform_at(uint64_t seed, uint64_t index);

}  // namespace partita
