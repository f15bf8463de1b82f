// SPDX-License-Identifier: Apache-2.0
// Which elements of which checkpoint tensors make up the value of a weight source.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/weight_source.h"
#include "ir/weight_type.h"

namespace partita::ir {

// One loop of a copy: `count` steps of these strides, in elements.
struct CopyDim {
  int64_t count = 0;
  int64_t tensor_stride = 0;
  int64_t dst_stride = 0;
  bool operator==(const CopyDim&) const = default;
};

// A strided block of a tensor that goes to a strided block of the (dense, row-major) value.
struct WeightCopy {
  std::string tensor;
  int64_t tensor_start = 0;   // elements
  int64_t dst_start = 0;      // elements
  std::vector<CopyDim> dims;  // outermost in the tensor first; none means one element
  bool operator==(const WeightCopy&) const = default;
};

// Copies that together write every element of the value exactly once and read no other element.
// Slices, transposes and concats cost nothing; a reshape becomes several copies only where the
// piece really is ragged. Throws like type_of().
[[nodiscard]] std::vector<WeightCopy> plan_copies(const WeightSource& source,
                                                  const TensorTypeLookup& lookup);

}  // namespace partita::ir
