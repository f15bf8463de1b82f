// SPDX-License-Identifier: Apache-2.0
// Reductions of one dim: sum, max, min, prod, mean.
#include <array>

#include "ops/declaration.h"

namespace partita::ops {
namespace {

spec::Notation reduction(const OpCall& call, spec::FactorKind kind, ReduceKind reduce) {
  require_inputs(call, 1);
  const size_t rank = call.inputs[0].dims.size();
  const size_t dim = dim_attribute(call, "dim", rank);
  spec::Notation notation;
  std::vector<int> dims = add_map_dims(notation, rank);
  notation.factors[dim].kind = kind;
  notation.factors[dim].reduce = reduce;
  notation.inputs = {index_of(dims)};
  if (call.attributes.integer_or("keep", 0) != 0) {
    dims[dim] = -1;
  } else {
    dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(dim));
  }
  notation.outputs = {index_of(dims)};
  const bool is_linear = reduce == ReduceKind::kSum || reduce == ReduceKind::kAvg;
  if (is_linear) notation.linear_in = {{0}};
  return bound(call, std::move(notation));
}

template <ReduceKind kReduce>
spec::Notation bind_reduce(const OpCall& call) {
  return reduction(call, spec::FactorKind::kReduce, kReduce);
}

// The mean of a piece is not a term of the whole mean when pieces are uneven.
spec::Notation bind_mean(const OpCall& call) {
  return reduction(call, spec::FactorKind::kWhole, ReduceKind::kAvg);
}

double reduce_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  return product_of_dims(call.inputs[0], symbols);
}

std::vector<OpSample> reduce_samples() {
  return {float_sample({f32({5, 7})}, attributes({{"dim", int64_t{1}}})),
          float_sample({f32({5, 3, 2})}, attributes({{"dim", int64_t{0}}, {"keep", int64_t{1}}}))};
}

constexpr OpDef reduce_op(std::string_view name,
                          std::string_view summary,
                          std::string_view notation,
                          spec::Notation (*bind)(const OpCall&)) {
  OpDef op;
  op.name = name;
  op.summary = summary;
  op.notation = notation;
  op.bind = bind;
  op.flops = reduce_flops;
  op.samples = reduce_samples;
  return op;
}

constexpr std::array kOps = {
    reduce_op("reduce_sum",
              "Sum along one dim. Attributes dim, keep (1 = leave a dim of size 1).",
              "y[..] += x[..,d]; map ..; sum d; linear x",
              bind_reduce<ReduceKind::kSum>),
    reduce_op("reduce_max",
              "Largest along one dim; -inf of nothing. Attributes dim, keep.",
              "y[..] max= x[..,d]; map ..; max d",
              bind_reduce<ReduceKind::kMax>),
    reduce_op("reduce_min",
              "Smallest along one dim; +inf of nothing. Attributes dim, keep.",
              "y[..] min= x[..,d]; map ..; min d",
              bind_reduce<ReduceKind::kMin>),
    reduce_op("reduce_prod",
              "Product along one dim; 1 of nothing. Attributes dim, keep.",
              "y[..] *= x[..,d]; map ..; prod d",
              bind_reduce<ReduceKind::kProd>),
    reduce_op("reduce_mean",
              "Mean along one dim. Attributes dim, keep.",
              "y[..] = mean(x[..,:]); map ..; whole d; linear x",
              bind_mean),
};

}  // namespace

std::span<const OpDef> reduce_ops() { return kOps; }

}  // namespace partita::ops
