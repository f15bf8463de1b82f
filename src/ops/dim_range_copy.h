// SPDX-License-Identifier: Apache-2.0
// Copies a range of one dim between dense tensors: the kernel behind slice, concat and the packing
// of collectives.
#pragma once

#include <cstdint>

namespace partita::ops {

// One side of a copy: a dense tensor seen as [outer, size, row] around a dim, and where in that dim
// the range begins.
template <typename Byte>
struct DimRange {
  Byte* data;
  int64_t size;   // of the dim
  int64_t begin;  // first index of the range
};

// Copies `count` indices of the dim for every outer index; `row_bytes` = bytes of one index.
// Contiguous ranges are one copy.
void copy_dim_range(const DimRange<const void>& from,
                    const DimRange<void>& to,
                    int64_t outer,
                    int64_t count,
                    int64_t row_bytes);

}  // namespace partita::ops
