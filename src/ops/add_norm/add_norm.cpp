// SPDX-License-Identifier: Apache-2.0
// A residual is added and the sum normalised, in one pass over each row: what fuse_add_norm makes
// of all_reduce, add and a norm.
#include <array>

#include "ops/add_norm/parts.h"
#include "ops/declaration.h"
#include "ops/quantized_rows.h"

namespace partita::ops {
namespace {

// The notation of `call`: rows are map factors, or whole where the terms of other ranks are added.
spec::Notation bind_add_norm(const OpCall& call, const AddNormKind& kind) {
  const size_t least = static_cast<size_t>(kNormWeights[kind.is_layer_norm]) + 2;
  const bool has_bias = call.inputs.size() == least + 1;
  require_inputs(call, has_bias ? least + 1 : least);
  require_min_rank(call, 0, 1);
  const size_t rank = call.inputs[0].dims.size();
  if (kind.is_collective) static_cast<void>(call.attributes.text("group"));
  spec::Notation notation;
  const std::vector<int> dims = add_map_dims(notation, rank);
  notation.factors.back().kind = spec::FactorKind::kWhole;
  if (kind.is_collective) {
    for (spec::Factor& factor : notation.factors) factor.kind = spec::FactorKind::kWhole;
  }
  const spec::TensorIndex row = index_of(std::array{dims.back()});
  const AddNormParts parts = add_norm_parts(call.inputs.size(), kind.is_layer_norm);
  for (size_t input = 0; input < call.inputs.size(); ++input) {
    const bool is_full = input == 0 || input == parts.residual;
    require_rank(call, input, is_full ? rank : 1);
    notation.inputs.push_back(is_full ? index_of(dims) : row);
  }
  notation.outputs = {index_of(dims), index_of(dims)};
  return with_quantized_output(call, bound(call, std::move(notation)));
}

std::vector<DType> add_norm_dtypes(const OpCall& call) { return quantized_dtypes(call, 2); }

template <bool kIsLayerNorm, bool kIsCollective>
spec::Notation bind(const OpCall& call) {
  return bind_add_norm(call, {kIsLayerNorm, kIsCollective});
}

double add_norm_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  return 8 * product_of_dims(call.inputs[0], symbols);  // up to two sums, and a norm
}

template <bool kIsLayerNorm, bool kIsCollective>
std::vector<OpSample> samples() {
  ir::Attributes attributes;
  attributes.set("eps", 1e-5);
  if (kIsCollective) attributes.set("group", "self");
  const auto sample = [&](std::vector<ir::TensorType> inputs, int64_t width) {
    for (int weight = 0; weight < kNormWeights[kIsLayerNorm]; ++weight) {
      inputs.push_back(f32({width}));
    }
    return float_sample(std::move(inputs), attributes);
  };
  return {sample({f32({5, 7}), f32({5, 7})}, 7),
          sample({f32({3, 70}), f32({70}), f32({3, 70})}, 70)};
}

template <bool kIsLayerNorm, bool kIsCollective>
constexpr OpDef op(std::string_view name, std::string_view summary, std::string_view notation) {
  return {.name = name,
          .summary = summary,
          .notation = notation,
          .bind = bind<kIsLayerNorm, kIsCollective>,
          .output_dtypes = add_norm_dtypes,
          .flops = add_norm_flops,
          .samples = samples<kIsLayerNorm, kIsCollective>,
          .has_side_effect = kIsCollective,
          .is_collective = kIsCollective};
}

constexpr std::array kOps = {
    op<false, false>("add_rms_norm",
                     "s = x + bias + r, y = rms_norm(s, w). The bias [d] may be left out. "
                     "Attributes eps, quantized_for (see quantize_rows).",
                     "s[..,d], y[..,d] = f(x[..,:], bias[d], r[..,:], w[d]); map ..; whole d"),
    op<true, false>("add_layer_norm",
                    "s = x + bias + r, y = layer_norm(s, w, b). The bias [d] may be left out. "
                    "Attributes eps, quantized_for (see quantize_rows).",
                    "s[..,d], y[..,d] = f(x[..,:], bias[d], r[..,:], w[d], b[d]); map ..; "
                    "whole d"),
    op<false, true>(
        "all_reduce_add_rms_norm",
        "s = all_reduce(x) + bias + r, y = rms_norm(s, w), the reduction being a sum. "
        "The bias [d] may be left out. Attributes group, eps, quantized_for (see quantize_rows).",
        "s[..,d], y[..,d] = f(x[..,:], bias[d], r[..,:], w[d]); whole .. d"),
    op<true, true>("all_reduce_add_layer_norm",
                   "s = all_reduce(x) + bias + r, y = layer_norm(s, w, b), the reduction being a "
                   "sum. The bias [d] may be left out. Attributes group, eps, quantized_for (see "
                   "quantize_rows).",
                   "s[..,d], y[..,d] = f(x[..,:], bias[d], r[..,:], w[d], b[d]); whole .. d"),
};

}  // namespace

std::span<const OpDef> add_norm_ops() { return kOps; }

}  // namespace partita::ops
