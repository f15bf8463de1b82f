// SPDX-License-Identifier: Apache-2.0
// concat: tensors joined along one dim.
#include <array>
#include <numeric>

#include "ops/declaration.h"
#include "support/error.h"

namespace partita::ops {
namespace {

int64_t joined_size(const OpCall& call, size_t dim) {
  int64_t size = 0;
  for (const ir::TensorType& type : call.inputs) {
    if (type.dims[dim].is_symbolic()) {
      fail(call,
           str("dim ", dim, " of ", ir::to_string(type), " is symbolic; expected a known size"));
    }
    size += type.dims[dim].size;
  }
  return size;
}

spec::Notation bind_concat(const OpCall& call) {
  if (call.inputs.empty()) fail(call, "0 inputs; expected at least 1");
  const size_t rank = call.inputs[0].dims.size();
  const size_t dim = dim_attribute(call, "dim", rank);
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    require_rank(call, i, rank);
    if (call.inputs[i].dtype != call.inputs[0].dtype) fail(call, "inputs of unlike element types");
  }
  spec::Notation notation;
  std::vector<int> dims = add_map_dims(notation, rank);
  // The joined size takes the place of the map factor, which no tensor may carry.
  notation.factors[static_cast<size_t>(dims[dim])] = {"s", spec::FactorKind::kWhole,
                                                      ReduceKind::kSum, joined_size(call, dim)};
  notation.outputs = {index_of(dims)};
  std::vector<int> all(call.inputs.size());
  std::iota(all.begin(), all.end(), 0);
  for (const int input : all) {
    dims[dim] = add_factor(notation, str("s", input), spec::FactorKind::kWhole);
    notation.inputs.push_back(index_of(dims));
  }
  notation.linear_in = {all};
  return bound(call, std::move(notation));
}

std::vector<OpSample> concat_samples() {
  const auto dim = [](int64_t value) { return attributes({{"dim", value}}); };
  return {float_sample({f32({5, 2}), f32({5, 7})}, dim(1)),
          float_sample({f32({1, 6}), f32({3, 6}), f32({2, 6})}, dim(0))};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "concat",
     .summary = "Joins any number of tensors along one dim. Attribute dim.",
     .notation = "y[..,s] = x0[..,s0], x1[..,s1], ...; map ..; whole s s0 s1 ..; linear x0 x1 ..",
     .bind = bind_concat,
     .flops = no_cost,
     .samples = concat_samples},
}};

}  // namespace

std::span<const OpDef> concat_ops() { return kOps; }

}  // namespace partita::ops
