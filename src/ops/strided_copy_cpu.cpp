// SPDX-License-Identifier: Apache-2.0
// Copies elements in another order.
#include <cstddef>
#include <cstring>

#include "ops/strided_copy.h"
#include "support/error.h"

namespace partita::ops {
namespace {

// The innermost dim of the copy is a plain loop; the others are walked by recursion, at most once
// per row.
struct Copy {
  std::span<const int64_t> strides;
  std::span<const int64_t> shape;
  int64_t element_bytes;

  std::byte* row(const std::byte* from, std::byte* to) const {
    const int64_t count = shape.back();
    if (strides.back() == 1) {
      std::memcpy(to, from, static_cast<size_t>(count * element_bytes));
      return to + count * element_bytes;
    }
    const int64_t step = strides.back() * element_bytes;
    for (int64_t i = 0; i < count; ++i) {
      std::memcpy(to, from, static_cast<size_t>(element_bytes));
      to += element_bytes;
      from += step;
    }
    return to;
  }

  std::byte* walk(size_t dim, const std::byte* from, std::byte* to) const {
    if (dim + 1 == shape.size()) return row(from, to);
    for (int64_t i = 0; i < shape[dim]; ++i) {
      to = walk(dim + 1, from, to);
      from += strides[dim] * element_bytes;
    }
    return to;
  }
};

}  // namespace

void strided_copy(const void* from,
                  std::span<const int64_t> strides,
                  void* to,
                  std::span<const int64_t> shape,
                  int64_t element_bytes) {
  CHECK(strides.size() == shape.size(), "strided_copy: one stride per dim");
  for (const int64_t size : shape) {
    if (size == 0) return;
  }
  if (shape.empty()) {
    std::memcpy(to, from, static_cast<size_t>(element_bytes));
    return;
  }
  const Copy copy{strides, shape, element_bytes};
  copy.walk(0, static_cast<const std::byte*>(from), static_cast<std::byte*>(to));
}

}  // namespace partita::ops
