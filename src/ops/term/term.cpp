// SPDX-License-Identifier: Apache-2.0
// term: what one rank adds to a sum that only the first rank has something for.
#include <array>

#include "ops/declaration.h"
#include "support/error.h"

namespace partita::ops {
namespace {

spec::Notation bind_term(const OpCall& call) {
  require_inputs(call, 1);
  const int64_t position = call.attributes.integer("position");
  if (position < 0) fail(call, str("position = ", position, "; expected 0 or more"));
  spec::Notation notation;
  const std::vector<int> dims = add_map_dims(notation, call.inputs[0].dims.size());
  notation.inputs = {index_of(dims)};
  notation.outputs = {index_of(dims)};
  notation.linear_in = {{0}};
  return bound(call, std::move(notation));
}

std::vector<OpSample> term_samples() {
  return {float_sample({f32({5, 7})}, attributes({{"position", int64_t{0}}})),
          float_sample({bf16({2, 3, 4})}, attributes({{"position", int64_t{1}}}))};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "term",
     .summary = "x where position is 0, else zeros: one rank's term of a sum that is x. Attribute "
                "position (of the rank in its group).",
     .notation = "y[..] = f(x[..]); map ..; linear x",
     .bind = bind_term,
     .flops = no_cost,
     .samples = term_samples},
}};

}  // namespace

std::span<const OpDef> term_ops() { return kOps; }

}  // namespace partita::ops
