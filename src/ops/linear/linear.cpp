// SPDX-License-Identifier: Apache-2.0
// linear: a matrix of weights applied to the last dim, without bias.
#include <array>

#include "ops/declaration.h"
#include "ops/products.h"
#include "ops/quantized_rows.h"
#include "support/error.h"

namespace partita::ops {
namespace {

// x is quantised: rows of blocks.
spec::Notation bind_quantized(const OpCall& call) {
  const size_t leading = call.inputs[0].dims.size() - 2;
  const ir::TensorType& weight = call.inputs[1];
  if (!is_block_type(weight.dtype) ||
      weight.dims[1].size != call.inputs[0].dims[leading].size * kRowBlock) {
    fail(call, str("quantised rows ", ir::to_string(call.inputs[0]), " and weights ",
                   ir::to_string(weight), "; expected q8_0 or q4_0 and as many elements per row"));
  }
  const std::string dims = leading_dims(leading);
  return bind_text(call, "y[" + dims + "n] = x[" + dims + "b,c], w[n,k]; map n; whole " +
                             leading_factors(leading) + "b c k");
}

spec::Notation bind_linear(const OpCall& call) {
  require_inputs(call, 2);
  require_min_rank(call, 0, 1);
  require_rank(call, 1, 2);
  if (is_quantized_rows(call.inputs[0])) return bind_quantized(call);
  check_products(call);
  const size_t leading = call.inputs[0].dims.size() - 1;
  const std::string dims = leading_dims(leading);
  std::string text = "y[" + dims + "n] += x[" + dims + "k] * w[n,k]; map " +
                     leading_factors(leading) + "n; sum k; linear x | w";
  return bind_text(call, text);
}

double linear_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  const size_t row_dims = is_quantized_rows(call.inputs[0]) ? 2 : 1;
  const size_t leading = call.inputs[0].dims.size() - row_dims;
  return 2 * passes_over(call, 1) * product_of_dims(call.inputs[0], symbols, 0, leading) *
         product_of_dims(call.inputs[1], symbols);
}

std::vector<OpSample> linear_samples() {
  return {float_sample({f32({5, 12}), f32({7, 12})}),
          float_sample({f32({2, 3, 10}), bf16({6, 10})}),
          float_sample({f32({3, 11}), bf16({6, 11})}, attributes({{"products", "near_f32"}})),
          float_sample({f32({7}), f32({5, 7})}),
          float_sample({f32({3, 96}), q8({5, 96})}),
          float_sample({f32({2, 64}), q4({3, 64})})};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "linear",
     .summary =
         "Applies a weight matrix to the last dim. x has any rank; w is f32, bf16 (x is then "
         "rounded to bf16 first, unless `products` is near_f32), q8_0 or q4_0, for which x may "
         "also be rows from quantize_rows; products are accumulated in f32. A bias is an add of "
         "its own.",
     .notation = "y[..,n] += x[..,k] * w[n,k]; map .. n; sum k; linear x | w",
     .bind = bind_linear,
     .output_dtypes = f32_output,
     .flops = linear_flops,
     .samples = linear_samples,
     .reads_blocks = true,
     .packs_weights = true},
}};

}  // namespace

std::span<const OpDef> linear_ops() { return kOps; }

}  // namespace partita::ops
