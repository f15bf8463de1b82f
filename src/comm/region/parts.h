// SPDX-License-Identifier: Apache-2.0
// How payloads that are longer than a slot go through it in parts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace partita::comm {

inline constexpr int64_t kLine = 64;  // parts of a slot start on a cache line

// Part number `index` of a payload, or of the pieces of all ranks at once: the elements
// [begin, begin + length) of each that is so long.
struct Part {
  int64_t length = 0;
  int64_t index = 0;

  [[nodiscard]] int64_t begin() const { return index * length; }
  // How many elements a piece of `total` has there; 0 behind its end.
  [[nodiscard]] int64_t count_in(int64_t total) const {
    return std::clamp<int64_t>(total - begin(), 0, length);
  }
};

inline void copy_bytes(const std::byte* from, std::byte* to, int64_t bytes) {
  if (bytes > 0) std::memcpy(to, from, static_cast<size_t>(bytes));
}

}  // namespace partita::comm
