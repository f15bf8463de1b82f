// SPDX-License-Identifier: Apache-2.0
// The window that convolutions and poolings move over the last two dims of a tensor [n, c, h, w].
#pragma once

#include <array>
#include <cstdint>

#include "ops/op.h"

namespace partita::ops {

// Per dim (h, w). Value type.
struct Window2d {
  std::array<int64_t, 2> size = {1, 1};
  std::array<int64_t, 2> strides = {1, 1};
  std::array<int64_t, 2> dilations = {1, 1};
  std::array<int64_t, 2> before = {0, 0};  // padding above and left
  std::array<int64_t, 2> after = {0, 0};   // padding below and right

  // Elements from the first to the last that the window touches along `dim`.
  [[nodiscard]] int64_t extent(size_t dim) const { return dilations[dim] * (size[dim] - 1) + 1; }
};

// A window of that size with the attributes "strides" [2], "dilations" [2] and "padding" [top,
// left, bottom, right]; 1, 1 and 0 when missing. Throws kInvalidArgument naming attribute and op.
[[nodiscard]] Window2d read_window(const OpCall& call, std::array<int64_t, 2> size);
// The same for a node whose call was checked.
[[nodiscard]] Window2d checked_window(const ir::Attributes& attributes,
                                      std::array<int64_t, 2> size);

// Places of the window along h and w of input 0 [n, c, h, w]. Throws kInvalidArgument when h or w
// is symbolic or smaller than the window.
[[nodiscard]] std::array<int64_t, 2> window_places(const OpCall& call, const Window2d& window);

}  // namespace partita::ops
