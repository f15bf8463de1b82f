// SPDX-License-Identifier: Apache-2.0
// softmax along one dim.
#include <array>

#include "ops/declaration.h"

namespace partita::ops {
namespace {

spec::Notation bind_softmax(const OpCall& call) {
  require_inputs(call, 1);
  const size_t rank = call.inputs[0].dims.size();
  const size_t dim = dim_attribute_or(call, "dim", rank, -1);
  spec::Notation notation;
  const std::vector<int> dims = add_map_dims(notation, rank);
  notation.factors[dim].kind = spec::FactorKind::kWhole;
  notation.inputs = {index_of(dims)};
  notation.outputs = {index_of(dims)};
  return bound(call, std::move(notation));
}

double softmax_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  return 5 * product_of_dims(call.inputs[0], symbols);  // max, difference, exp, sum, quotient
}

std::vector<OpSample> softmax_samples() {
  return {float_sample({f32({5, 7})}),
          float_sample({f32({3, 6, 2})}, attributes({{"dim", int64_t{1}}}))};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "softmax",
     .summary = "exp(x - max) / sum(exp(x - max)) along one dim. Attribute dim (default the last).",
     .notation = "y[..,d] = f(x[..,:]); map ..; whole d",
     .bind = bind_softmax,
     .flops = softmax_flops,
     .samples = softmax_samples},
}};

}  // namespace

std::span<const OpDef> softmax_ops() { return kOps; }

}  // namespace partita::ops
