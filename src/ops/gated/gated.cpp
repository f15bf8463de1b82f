// SPDX-License-Identifier: Apache-2.0
// gated: an activation times a second tensor, as in gated feed-forward layers.
#include <algorithm>
#include <array>

#include "ops/activations.h"
#include "ops/declaration.h"
#include "ops/quantized_rows.h"
#include "support/error.h"

namespace partita::ops {
namespace {

spec::Notation bind_gated(const OpCall& call) {
  require_inputs(call, 2);
  if (call.inputs[0] != call.inputs[1]) {
    fail(call, str("gate and up are ", ir::to_string(call.inputs[0]), " and ",
                   ir::to_string(call.inputs[1]), "; expected one type"));
  }
  const std::string& activation = call.attributes.text("activation");
  if (std::ranges::find(kActivationNames, activation) == kActivationNames.end()) {
    fail(call, str("activation = \"", activation, "\"; expected gelu, gelu_tanh, relu or silu"));
  }
  spec::Notation notation;
  const std::vector<int> dims = add_map_dims(notation, call.inputs[0].dims.size());
  notation.inputs = {index_of(dims), index_of(dims)};
  notation.outputs = {index_of(dims)};
  notation.linear_in = {{1}};
  return with_quantized_output(call, bound(call, std::move(notation)));
}

std::vector<DType> gated_dtypes(const OpCall& call) { return quantized_dtypes(call, 1); }

OpSample gated_sample(std::initializer_list<int64_t> shape, const char* activation) {
  OpSample sample = float_sample({f32(shape), f32(shape)});
  sample.attributes.set("activation", std::string(activation));
  return sample;
}

std::vector<OpSample> gated_samples() {
  return {gated_sample({5, 7}, "silu"), gated_sample({4, 33}, "gelu"),
          gated_sample({3, 2, 20}, "gelu_tanh"), gated_sample({6, 6}, "relu")};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "gated",
     .summary = "f(gate) * up without broadcasting. Attributes activation: gelu, gelu_tanh, relu, "
                "silu; quantized_for (see quantize_rows).",
     .notation = "y[..] = f(gate[..]) * up[..]; map ..; linear up",
     .bind = bind_gated,
     .output_dtypes = gated_dtypes,
     .samples = gated_samples},
}};

}  // namespace

std::span<const OpDef> gated_ops() { return kOps; }

}  // namespace partita::ops
