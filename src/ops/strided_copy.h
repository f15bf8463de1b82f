// SPDX-License-Identifier: Apache-2.0
// Copies elements in another order: the kernel behind transpose and other changes of layout.
#pragma once

#include <cstdint>
#include <span>

namespace partita::ops {

// Copies into the dense row-major `to` of `shape` the elements found in `from` at the given strides
// (in elements, per dim of `shape`). Elements are `element_bytes` wide. The buffers do not overlap.
void strided_copy(const void* from,
                  std::span<const int64_t> strides,
                  void* to,
                  std::span<const int64_t> shape,
                  int64_t element_bytes);

}  // namespace partita::ops
