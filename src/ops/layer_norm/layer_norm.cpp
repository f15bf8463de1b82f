// SPDX-License-Identifier: Apache-2.0
// layer_norm: each row made mean 0 and variance 1, then a weight and a bias per column.
#include <array>

#include "ops/declaration.h"
#include "ops/quantized_rows.h"

namespace partita::ops {
namespace {

spec::Notation bind_layer_norm(const OpCall& call) {
  require_inputs(call, 3);
  require_min_rank(call, 0, 1);
  require_rank(call, 1, 1);
  require_rank(call, 2, 1);
  const size_t leading = call.inputs[0].dims.size() - 1;
  const std::string x = leading_dims(leading) + "e]";
  const std::string text =
      "y[" + x + " = x[" + x + ", w[e], b[e]; map " + leading_factors(leading) + "; whole e";
  return with_quantized_output(call, bind_text(call, text));
}

std::vector<DType> layer_norm_dtypes(const OpCall& call) { return quantized_dtypes(call, 1); }

double layer_norm_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  return 7 * product_of_dims(call.inputs[0],
                             symbols);  // mean, difference, square, add, scale, weight, bias
}

std::vector<OpSample> layer_norm_samples() {
  const ir::Attributes eps = attributes({{"eps", 1e-5}});
  return {float_sample({f32({5, 7}), f32({7}), f32({7})}, eps),
          float_sample({f32({3, 2, 6}), f32({6}), f32({6})}, eps)};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "layer_norm",
     .summary =
         "y = (x - mean(x)) / sqrt(var(x) + eps) * w + b over the last dim; var divides by the "
         "number of columns. Attributes eps, quantized_for (see quantize_rows).",
     .notation = "y[..,d] = f(x[..,:], w[d], b[d]); map ..; whole d",
     .bind = bind_layer_norm,
     .output_dtypes = layer_norm_dtypes,
     .flops = layer_norm_flops,
     .samples = layer_norm_samples},
}};

}  // namespace

std::span<const OpDef> layer_norm_ops() { return kOps; }

}  // namespace partita::ops
