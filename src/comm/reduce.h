// SPDX-License-Identifier: Apache-2.0
// The arithmetic of reductions: several buffers of equal length become one, in a fixed order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "support/dtype.h"
#include "support/reduce_kind.h"

namespace partita::comm {

struct Reduction {
  DType dtype;
  ReduceKind kind;
};

// Throws Error(kUnsupported) when the elements cannot be combined so: sum, prod or avg of bool.
void check_reducible(Reduction reduction);

// out[i] = inputs[0][i] op inputs[1][i] op ..., i in [0, count), from left to right. Halves
// accumulate in f32 and are rounded once, avg divides at the end, integers are computed modulo 2^64
// and cut to size. `out` may be one of the inputs; otherwise nothing overlaps. All pointers are
// aligned to the element.
void reduce_in_order(std::span<const std::byte* const> inputs,
                     std::byte* out,
                     int64_t count,
                     Reduction reduction);

}  // namespace partita::comm
