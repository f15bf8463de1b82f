// SPDX-License-Identifier: Apache-2.0
// Half-open integer ranges: pieces of tensor dims, rows, bytes.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <ostream>

namespace partita {

// [begin, end). Empty when begin >= end; constructed empty ranges keep begin == end.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;

  [[nodiscard]] int64_t size() const { return end - begin; }
  [[nodiscard]] bool empty() const { return begin >= end; }
  [[nodiscard]] bool contains(const Range& other) const {
    return other.empty() || (begin <= other.begin && other.end <= end);
  }
  auto operator<=>(const Range&) const = default;
};

// The common part; empty (begin == end) when there is none.
[[nodiscard]] inline Range intersect(const Range& a, const Range& b) {
  const int64_t begin = std::max(a.begin, b.begin);
  return {begin, std::max(begin, std::min(a.end, b.end))};
}

inline std::ostream& operator<<(std::ostream& out, const Range& range) {
  return out << '[' << range.begin << ',' << range.end << ')';
}

}  // namespace partita
