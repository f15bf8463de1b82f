// SPDX-License-Identifier: Apache-2.0
// cast: the same values as another element type.
#include <array>

#include "ops/declaration.h"
#include "support/error.h"

namespace partita::ops {
namespace {

DType target(const OpCall& call) {
  const std::string& name = call.attributes.text("dtype");
  const auto dtype = parse_dtype(name);
  if (!dtype) fail(call, str("dtype = \"", name, "\"; expected the name of an element type"));
  return *dtype;
}

std::vector<DType> cast_dtypes(const OpCall& call) { return {target(call)}; }

spec::Notation bind_cast(const OpCall& call) {
  require_inputs(call, 1);
  static_cast<void>(target(call));
  spec::Notation notation;
  const std::vector<int> dims = add_map_dims(notation, call.inputs[0].dims.size());
  notation.inputs = {index_of(dims)};
  notation.outputs = {index_of(dims)};
  return bound(call, std::move(notation));
}

std::vector<OpSample> cast_samples() {
  return {float_sample({f32({5, 7})}, attributes({{"dtype", "bf16"}})),
          float_sample({bf16({6})}, attributes({{"dtype", "f32"}}))};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "cast",
     .summary = "The same values as another element type: to nearest even among floats, towards "
                "zero and saturating to integers (NaN gives 0). Attribute dtype.",
     .notation = "y[..] = x[..]; map ..",
     .bind = bind_cast,
     .output_dtypes = cast_dtypes,
     .flops = no_cost,
     .samples = cast_samples},
}};

}  // namespace

std::span<const OpDef> cast_ops() { return kOps; }

}  // namespace partita::ops
