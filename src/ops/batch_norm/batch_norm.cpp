// SPDX-License-Identifier: Apache-2.0
// batch_norm: channels scaled and shifted by the statistics a model was trained with.
#include <array>

#include "ops/declaration.h"

namespace partita::ops {
namespace {

spec::Notation bind_batch_norm(const OpCall& call) {
  require_inputs(call, 5);
  require_min_rank(call, 0, 2);
  for (size_t input = 1; input < 5; ++input) require_rank(call, input, 1);
  static_cast<void>(call.attributes.number("eps"));
  spec::Notation notation;
  const std::vector<int> dims = add_map_dims(notation, call.inputs[0].dims.size());
  notation.inputs = {index_of(dims)};
  for (size_t input = 1; input < 5; ++input)
    notation.inputs.push_back(index_of(std::array{dims[1]}));
  notation.outputs = {index_of(dims)};
  return bound(call, std::move(notation));
}

double batch_norm_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  return 2 * product_of_dims(call.inputs[0], symbols);  // one factor and one term per channel
}

std::vector<OpSample> batch_norm_samples() {
  const ir::Attributes eps = attributes({{"eps", 1e-5}});
  std::vector<OpSample> samples = {
      float_sample({f32({3, 5, 2, 4}), f32({5}), f32({5}), f32({5}), f32({5})}, eps),
      float_sample({f32({4, 6}), f32({6}), f32({6}), f32({6}), f32({6})}, eps)};
  for (OpSample& sample : samples) {
    sample.low = 0.25;  // a variance is positive
    sample.high = 2;
  }
  return samples;
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "batch_norm",
     .summary = "y = (x - mean) / sqrt(var + eps) * w + b per channel (dim 1), with given mean and "
                "var. Inputs x, w, b, mean, var; attribute eps.",
     .notation = "y[n,c,..] = f(x[n,c,..], w[c], b[c], mean[c], var[c]); map n c ..",
     .bind = bind_batch_norm,
     .flops = batch_norm_flops,
     .samples = batch_norm_samples},
}};

}  // namespace

std::span<const OpDef> batch_norm_ops() { return kOps; }

}  // namespace partita::ops
