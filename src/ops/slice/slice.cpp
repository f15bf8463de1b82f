// SPDX-License-Identifier: Apache-2.0
// slice: a range of one dim.
#include <array>

#include "ops/declaration.h"
#include "support/error.h"

namespace partita::ops {
namespace {

spec::Notation bind_slice(const OpCall& call) {
  require_inputs(call, 1);
  const std::vector<ir::Dim>& in = call.inputs[0].dims;
  const size_t dim = dim_attribute(call, "dim", in.size());
  const int64_t begin = call.attributes.integer("begin");
  const int64_t end = call.attributes.integer("end");
  if (begin < 0 || end < begin || (!in[dim].is_symbolic() && end > in[dim].size)) {
    fail(call, str("[", begin, ",", end, ") of dim ", dim, " of ", ir::to_string(call.inputs[0]),
                   "; expected a range inside"));
  }
  spec::Notation notation;
  std::vector<int> dims = add_map_dims(notation, in.size());
  notation.factors[static_cast<size_t>(dims[dim])].kind = spec::FactorKind::kWhole;
  notation.inputs = {index_of(dims)};
  dims[dim] = add_factor(notation, "s", spec::FactorKind::kWhole, end - begin);
  notation.outputs = {index_of(dims)};
  notation.linear_in = {{0}};
  return bound(call, std::move(notation));
}

double slice_bytes(const OpCall& call, const ir::SymbolSizes& symbols) {
  return 2 * static_cast<double>(infer_types(call).front().bytes(symbols));
}

std::vector<OpSample> slice_samples() {
  const auto range = [](int64_t dim, int64_t begin, int64_t end) {
    return attributes({{"dim", dim}, {"begin", begin}, {"end", end}});
  };
  return {float_sample({f32({5, 7})}, range(1, 2, 6)),
          float_sample({f32({6, 3, 5})}, range(-3, 1, 4))};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "slice",
     .summary = "The range [begin, end) of one dim. Attributes dim, begin, end.",
     .notation = "y[..,s] = x[..,d]; map ..; whole d s; linear x",
     .bind = bind_slice,
     .flops = no_cost,
     .bytes = slice_bytes,
     .samples = slice_samples},
}};

}  // namespace

std::span<const OpDef> slice_ops() { return kOps; }

}  // namespace partita::ops
