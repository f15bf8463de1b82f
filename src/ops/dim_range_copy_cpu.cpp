// SPDX-License-Identifier: Apache-2.0
// Copies a range of one dim.
#include <cstddef>
#include <cstring>

#include "ops/dim_range_copy.h"

namespace partita::ops {

void copy_dim_range(const DimRange<const void>& from,
                    const DimRange<void>& to,
                    int64_t outer,
                    int64_t count,
                    int64_t row_bytes) {
  if (outer == 0 || count == 0 || row_bytes == 0) return;
  const auto* source = static_cast<const std::byte*>(from.data) + from.begin * row_bytes;
  auto* target = static_cast<std::byte*>(to.data) + to.begin * row_bytes;
  const bool is_contiguous = from.size == count && to.size == count;
  const int64_t copies = is_contiguous ? 1 : outer;
  const int64_t bytes = count * row_bytes * (is_contiguous ? outer : 1);
  for (int64_t i = 0; i < copies; ++i) {
    std::memcpy(target, source, static_cast<size_t>(bytes));
    source += from.size * row_bytes;
    target += to.size * row_bytes;
  }
}

}  // namespace partita::ops
