// SPDX-License-Identifier: Apache-2.0
// Rows of a weight that a kernel has packed, for others that read single rows of it.
#pragma once

#include <cstdint>

namespace partita::ops {

// Owned by the kernel that packed the weight; lives as long as it. Thread-safe.
class PackedRows {
 public:
  virtual ~PackedRows() = default;
  // Writes row `row` of the weight [rows, width], which must exist, to `to` [width] as f32: the
  // values of the plain weight.
  virtual void read_row(int64_t row, float* to) const = 0;
};

}  // namespace partita::ops
