// SPDX-License-Identifier: Apache-2.0
// rms_norm: division of each row by its root mean square, then a weight per column.
#include <array>

#include "ops/declaration.h"
#include "ops/quantized_rows.h"

namespace partita::ops {
namespace {

spec::Notation bind_rms_norm(const OpCall& call) {
  require_inputs(call, 2);
  require_min_rank(call, 0, 1);
  require_rank(call, 1, 1);
  const size_t leading = call.inputs[0].dims.size() - 1;
  const std::string x = leading_dims(leading) + "e]";
  const std::string text =
      "y[" + x + " = x[" + x + ", w[e]; map " + leading_factors(leading) + "; whole e";
  return with_quantized_output(call, bind_text(call, text));
}

std::vector<DType> rms_norm_dtypes(const OpCall& call) { return quantized_dtypes(call, 1); }

double rms_norm_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  return 4 * product_of_dims(call.inputs[0], symbols);  // square, add, two products
}

std::vector<OpSample> rms_norm_samples() {
  const ir::Attributes eps = attributes({{"eps", 1e-5}});
  return {float_sample({f32({5, 7}), f32({7})}, eps),
          float_sample({f32({3, 2, 6}), f32({6})}, eps)};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "rms_norm",
     .summary = "y = x / sqrt(mean(x * x) + eps) * w over the last dim. Attributes eps, "
                "quantized_for (see quantize_rows).",
     .notation = "y[..,d] = f(x[..,:], w[d]); map ..; whole d",
     .bind = bind_rms_norm,
     .output_dtypes = rms_norm_dtypes,
     .flops = rms_norm_flops,
     .samples = rms_norm_samples},
}};

}  // namespace

std::span<const OpDef> rms_norm_ops() { return kOps; }

}  // namespace partita::ops
