// SPDX-License-Identifier: Apache-2.0
// For tests: how often this program has allocated.
#pragma once

#include <cstdint>

namespace partita::runtime {

// Calls of operator new in all threads since the program began. Defined by a test source that
// replaces the operators.
[[nodiscard]] int64_t allocations_so_far();

}  // namespace partita::runtime
