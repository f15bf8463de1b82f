// SPDX-License-Identifier: Apache-2.0
// transpose: dims in another order.
#include <algorithm>
#include <array>

#include "ops/declaration.h"
#include "support/error.h"

namespace partita::ops {
namespace {

spec::Notation bind_transpose(const OpCall& call) {
  require_inputs(call, 1);
  const size_t rank = call.inputs[0].dims.size();
  const std::vector<int64_t>& permutation = call.attributes.integers("permutation");
  std::vector<int64_t> sorted = permutation;
  std::ranges::sort(sorted);
  bool is_permutation = sorted.size() == rank;
  for (size_t i = 0; is_permutation && i < rank; ++i) {
    is_permutation = sorted[i] == static_cast<int64_t>(i);
  }
  if (!is_permutation) fail(call, str("permutation must name each of the ", rank, " dims once"));
  spec::Notation notation;
  const std::vector<int> dims = add_map_dims(notation, rank);
  std::vector<int> permuted;
  for (const int64_t dim : permutation) permuted.push_back(dims[static_cast<size_t>(dim)]);
  notation.inputs = {index_of(dims)};
  notation.outputs = {index_of(permuted)};
  notation.linear_in = {{0}};
  return bound(call, std::move(notation));
}

std::vector<OpSample> transpose_samples() {
  return {float_sample({f32({5, 7})}, attributes({{"permutation", std::vector<int64_t>{1, 0}}})),
          float_sample({f32({3, 5, 2, 4})},
                       attributes({{"permutation", std::vector<int64_t>{2, 0, 3, 1}}}))};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "transpose",
     .summary = "Output dim i is input dim permutation[i]. Attribute permutation.",
     .notation = "y[d1,d0] = x[d0,d1] and alike; map ..; linear x",
     .bind = bind_transpose,
     .flops = no_cost,
     .samples = transpose_samples},
}};

}  // namespace

std::span<const OpDef> transpose_ops() { return kOps; }

}  // namespace partita::ops
