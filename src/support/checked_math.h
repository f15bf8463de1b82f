// SPDX-License-Identifier: Apache-2.0
// Overflow-safe arithmetic on sizes that come from files.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace partita {

// a * b, or nothing when it overflows int64 or an argument is negative.
[[nodiscard]] inline std::optional<int64_t> checked_mul(int64_t a, int64_t b) {
  int64_t product = 0;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// a + b, or nothing when it overflows int64 or an argument is negative.
[[nodiscard]] inline std::optional<int64_t> checked_add(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (a < 0 || b < 0 || __builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

// Product of all dims. Every partial product is checked even when a later dim is 0.
[[nodiscard]] inline std::optional<int64_t> checked_product(std::span<const int64_t> dims) {
  int64_t product = 1;
  bool has_zero = false;
  for (const int64_t dim : dims) {
    if (dim == 0) {
      has_zero = true;
      continue;
    }
    const auto next = checked_mul(product, dim);
    if (!next) return std::nullopt;
    product = *next;
  }
  return has_zero ? 0 : product;
}

}  // namespace partita
