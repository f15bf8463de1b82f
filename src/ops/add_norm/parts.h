// SPDX-License-Identifier: Apache-2.0
// Which input of an addition with a norm is what: x, bias (may be absent), residual, weights.
#pragma once

#include <array>
#include <cstddef>

namespace partita::ops {

struct AddNormKind {
  bool is_layer_norm = false;
  bool is_collective = false;
};

// Weights of rms_norm and of layer_norm.
inline constexpr std::array<int, 2> kNormWeights = {1, 2};

// Positions of the inputs; the first is always x.
struct AddNormParts {
  bool has_bias = false;
  size_t bias = 1;  // meaningful with has_bias only
  size_t residual = 1;
  size_t weight = 2;
};

[[nodiscard]] constexpr AddNormParts add_norm_parts(size_t inputs, bool is_layer_norm) {
  const size_t weights = static_cast<size_t>(kNormWeights[is_layer_norm ? 1 : 0]);
  const bool has_bias = inputs == weights + 3;
  const size_t residual = has_bias ? 2 : 1;
  return {has_bias, 1, residual, residual + 1};
}

}  // namespace partita::ops
