// SPDX-License-Identifier: Apache-2.0
// Bytes of local pieces, and the peak of values that live for a while.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ir/types.h"
#include "spec/mesh.h"
#include "spec/tensor_spec.h"

namespace partita::cost {

// Bytes of the piece that the rank at `cell` holds.
[[nodiscard]] int64_t local_bytes(const ir::TensorType& type,
                                  const spec::TensorSpec& spec,
                                  const spec::Mesh& mesh,
                                  int64_t cell,
                                  const ir::SymbolSizes& symbols);

// Bytes of the largest piece: the longest range of every dim. What a bound on every rank must
// count.
[[nodiscard]] int64_t largest_local_bytes(const ir::TensorType& type,
                                          const spec::TensorSpec& spec,
                                          const ir::SymbolSizes& symbols);

// A value that occupies `bytes` from time `first` to time `last`, both included.
struct LiveValue {
  int64_t first = 0;
  int64_t last = 0;
  int64_t bytes = 0;
};

// The most bytes alive at one time; times are within [0, times). Costs O(values + times).
[[nodiscard]] int64_t peak_live_bytes(std::span<const LiveValue> values, int64_t times);

}  // namespace partita::cost
