// SPDX-License-Identifier: Apache-2.0
// quantize_rows: activations as products with weights in blocks read them, made once for all of
// those.
#include <array>

#include "ops/declaration.h"
#include "ops/quantized_rows.h"

namespace partita::ops {
namespace {

spec::Notation bind_quantize_rows(const OpCall& call) {
  require_inputs(call, 1);
  require_min_rank(call, 0, 1);
  static_cast<void>(call.attributes.text(kQuantizedFor));
  spec::Notation notation;
  const std::vector<int> dims = add_map_dims(notation, call.inputs[0].dims.size());
  notation.inputs = {index_of(dims)};
  notation.outputs = {index_of(dims)};
  return with_quantized_output(call, bound(call, std::move(notation)));
}

std::vector<DType> output_dtypes(const OpCall& call) { return quantized_dtypes(call, 1); }

double quantize_rows_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  return 4 * product_of_dims(call.inputs[0], symbols);  // largest, product, rounding, sum
}

std::vector<OpSample> quantize_rows_samples() {
  const auto sample = [](std::initializer_list<int64_t> shape, const char* weight) {
    return float_sample({f32(shape)}, attributes({{kQuantizedFor, std::string(weight)}}));
  };
  return {sample({5, 64}, "q8_0"), sample({2, 9, 32}, "q4_0")};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "quantize_rows",
     .summary = "Rows as products with weights in blocks read them: 8 bits in blocks of 32 and an "
                "f32 scale each, interleaved over rows. Attribute quantized_for: the type of the "
                "weights, q8_0 or q4_0. The programs of ranks hold it, for what several products "
                "read; norms and gated take the same attribute for their last output.",
     .notation = "y[..,b,c] = f(x[..,(b 32)]); whole .. b c",
     .bind = bind_quantize_rows,
     .output_dtypes = output_dtypes,
     .flops = quantize_rows_flops,
     .samples = quantize_rows_samples},
}};

}  // namespace

std::span<const OpDef> quantize_rows_ops() { return kOps; }

}  // namespace partita::ops
