// SPDX-License-Identifier: Apache-2.0
// Rows of a weight as floats, whatever type it is stored in: for reference kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/kernel.h"

namespace partita::ops {

// Reads rows along the last dim of one weight. Allocates only when a row is longer than any before.
// Used by one thread.
class WeightRows {
 public:
  // Row `index` of `weight`, all dims but the last counted as one; valid until the next call.
  [[nodiscard]] const float* row(const TensorView& weight, int64_t index) {
    const int64_t width = weight.shape.back();
    values_.resize(static_cast<size_t>(width));
    const auto* data = weight.as<const std::byte>() + index * bytes_of(weight.dtype, width);
    convert_to_f32(weight.dtype, data, values_.data(), width);
    return values_.data();
  }

 private:
  std::vector<float> values_;
};

}  // namespace partita::ops
