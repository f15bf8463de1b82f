// SPDX-License-Identifier: Apache-2.0
// take_rows: rows of an activation, chosen by index (the tokens whose logits are wanted).
#include <array>

#include "ops/declaration.h"

namespace partita::ops {
namespace {

spec::Notation bind_take_rows(const OpCall& call) {
  require_inputs(call, 2);
  require_min_rank(call, 0, 1);
  require_rank(call, 1, 1);
  require_integers(call, 1);
  const size_t trailing = call.inputs[0].dims.size() - 1;
  spec::Notation notation;
  const int row = add_factor(notation, "r", spec::FactorKind::kMap);
  const int source = add_factor(notation, "t", spec::FactorKind::kWhole);
  std::vector<int> dims = add_map_dims(notation, trailing);
  dims.insert(dims.begin(), source);
  notation.inputs = {index_of(dims), index_of(std::array{row})};
  dims.front() = row;
  notation.outputs = {index_of(dims)};
  notation.linear_in = {{0}};
  return bound(call, std::move(notation));
}

double take_rows_bytes(const OpCall& call, const ir::SymbolSizes& symbols) {
  const ir::TensorType& x = call.inputs[0];
  const double rows = product_of_dims(call.inputs[1], symbols);
  const double row_bytes =
      product_of_dims(x, symbols, 1, x.dims.size()) * static_cast<double>(size_of(x.dtype));
  return rows * (2 * row_bytes + static_cast<double>(size_of(call.inputs[1].dtype)));
}

std::vector<OpSample> take_rows_samples() {
  OpSample sample;
  sample.inputs = {f32({7, 5}), i32({3})};
  sample.integer_below = {0, 7};
  OpSample wide;
  wide.inputs = {f32({4, 3, 2}), i32({6})};
  wide.integer_below = {0, 4};
  return {sample, wide};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "take_rows",
     .summary = "Rows of x by index; every index must be in [0, t).",
     .notation = "y[r,d..] = x[rows[r],d..]; map r d..; whole t; linear x",
     .bind = bind_take_rows,
     .flops = no_cost,
     .bytes = take_rows_bytes,
     .samples = take_rows_samples},
}};

}  // namespace

std::span<const OpDef> take_rows_ops() { return kOps; }

}  // namespace partita::ops
