// SPDX-License-Identifier: Apache-2.0
// top_k: the largest elements of each row, and the best of what several pieces of a row gave.
#include <algorithm>
#include <array>

#include "ops/collective/pieces.h"
#include "ops/declaration.h"
#include "support/error.h"

namespace partita::ops {
namespace {

std::vector<DType> value_and_id(const OpCall& /*call*/) { return {DType::kF32, DType::kI32}; }

// Of `inputs` tensors of one shape, whose last dim becomes k.
spec::Notation bind_rows(const OpCall& call, size_t inputs) {
  require_inputs(call, inputs);
  require_min_rank(call, 0, 1);
  const size_t rank = call.inputs[0].dims.size();
  const ir::Dim& width = call.inputs[0].dims.back();
  const int64_t k = call.attributes.integer("k");
  if (k < 0 || (!width.is_symbolic() && k > width.size)) {
    fail(call,
         str("k = ", k, " of ", ir::to_string(call.inputs[0]), "; expected 0 .. its last dim"));
  }
  spec::Notation notation;
  std::vector<int> dims = add_map_dims(notation, rank);
  notation.factors.back().kind = spec::FactorKind::kWhole;
  notation.inputs.assign(inputs, index_of(dims));
  dims.back() = add_factor(notation, "k", spec::FactorKind::kWhole, k);
  notation.outputs = {index_of(dims), index_of(dims)};
  return bound(call, std::move(notation));
}

spec::Notation bind_top_k(const OpCall& call) { return bind_rows(call, 1); }

spec::Notation bind_merge_top_k(const OpCall& call) {
  const auto pieces = pieces_of(call.attributes, "", call.op);
  if (call.attributes.integers("firsts").size() != pieces.size()) {
    fail(call, str("firsts of ", call.attributes.integers("firsts").size(), " pieces; expected ",
                   pieces.size()));
  }
  if (call.inputs.size() == 2) require_integers(call, 1);
  return bind_rows(call, 2);
}

double selection_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  return product_of_dims(call.inputs[0], symbols);  // a comparison each
}

std::vector<OpSample> top_k_samples() {
  return {float_sample({f32({5, 70})}, attributes({{"k", int64_t{7}}})),
          float_sample({f32({3, 2, 6})}, attributes({{"k", int64_t{6}}}))};
}

std::vector<OpSample> merge_top_k_samples() {
  OpSample sample = float_sample({f32({4, 9}), i32({4, 9})},
                                 attributes({{"k", int64_t{3}},
                                             {"begins", std::vector<int64_t>{0, 5, 0}},
                                             {"ends", std::vector<int64_t>{5, 9, 0}},
                                             {"firsts", std::vector<int64_t>{0, 100, 7}}}));
  sample.integer_below = {0, 100};
  return {sample};
}

constexpr std::array<OpDef, 2> kOps = {{
    {.name = "top_k",
     .summary = "The k largest elements of each row, larger ones first, and their indices (i32). "
                "Of equal ones the lower index comes first; NaN counts as infinity. Attribute k.",
     .notation = "y[..,k], i[..,k] = f(x[..,:]); map ..; whole v k",
     .bind = bind_top_k,
     .output_dtypes = value_and_id,
     .flops = selection_flops,
     .samples = top_k_samples},
    {.name = "merge_top_k",
     .summary = "top_k of values whose ids are given. The columns [begins[p], ends[p]) come from "
                "piece p of a row, and firsts[p] is added to their ids. Attributes k, begins, "
                "ends, firsts.",
     .notation = "y[..,k], i[..,k] = f(x[..,:], ids[..,:]); map ..; whole c k",
     .bind = bind_merge_top_k,
     .output_dtypes = value_and_id,
     .flops = selection_flops,
     .samples = merge_top_k_samples},
}};

}  // namespace

std::span<const OpDef> top_k_ops() { return kOps; }

}  // namespace partita::ops
