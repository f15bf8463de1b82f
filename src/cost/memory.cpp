// SPDX-License-Identifier: Apache-2.0
#include "cost/memory.h"

#include <algorithm>

#include "support/dtype.h"
#include "support/error.h"

namespace partita::cost {

int64_t local_bytes(const ir::TensorType& type,
                    const spec::TensorSpec& spec,
                    const spec::Mesh& mesh,
                    int64_t cell,
                    const ir::SymbolSizes& symbols) {
  int64_t elements = 1;
  for (const Range& range : spec::local_ranges(spec, type.shape(symbols), mesh, cell)) {
    elements *= range.size();
  }
  return bytes_of(type.dtype, elements);
}

int64_t largest_local_bytes(const ir::TensorType& type,
                            const spec::TensorSpec& spec,
                            const ir::SymbolSizes& symbols) {
  const std::vector<int64_t> shape = type.shape(symbols);
  CHECK(shape.size() == spec.dims.size(), "spec of ", spec.dims.size(), " dims for a value of ",
        shape.size());
  int64_t elements = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t longest = spec.dims[i].axes.empty() ? shape[i] : 0;
    for (const Range& piece : spec.dims[i].pieces) longest = std::max(longest, piece.size());
    elements *= longest;
  }
  return bytes_of(type.dtype, elements);
}

int64_t peak_live_bytes(std::span<const LiveValue> values, int64_t times) {
  std::vector<int64_t> change(static_cast<size_t>(times) + 1, 0);
  for (const LiveValue& value : values) {
    CHECK(value.first >= 0 && value.first <= value.last && value.last < times,
          "a value lives over [", value.first, ",", value.last, "] of ", times, " times");
    change[static_cast<size_t>(value.first)] += value.bytes;
    change[static_cast<size_t>(value.last) + 1] -= value.bytes;
  }
  int64_t alive = 0;
  int64_t peak = 0;
  for (const int64_t delta : change) peak = std::max(peak, alive += delta);
  return peak;
}

}  // namespace partita::cost
