// SPDX-License-Identifier: Apache-2.0
// pad: a constant border around a tensor.
#include <array>

#include "ops/declaration.h"
#include "support/checked_math.h"
#include "support/error.h"

namespace partita::ops {
namespace {

const std::vector<int64_t>& border(const OpCall& call, const std::string& name) {
  const std::vector<int64_t>& sizes = call.attributes.integers(name);
  const size_t rank = call.inputs[0].dims.size();
  if (sizes.size() != rank) {
    fail(call, str(name, " has ", sizes.size(), " entries; expected ", rank, ", one per dim"));
  }
  for (const int64_t size : sizes) {
    if (size < 0) fail(call, str(name, " = ", size, "; expected 0 or more (use slice to cut)"));
  }
  return sizes;
}

spec::Notation bind_pad(const OpCall& call) {
  require_inputs(call, 1);
  const std::vector<int64_t>& before = border(call, "before");
  const std::vector<int64_t>& after = border(call, "after");
  const std::vector<ir::Dim>& in = call.inputs[0].dims;
  spec::Notation notation;
  const std::vector<int> dims = add_map_dims(notation, in.size());
  std::vector<int> padded = dims;
  for (size_t i = 0; i < in.size(); ++i) {
    if (before[i] == 0 && after[i] == 0) continue;
    if (in[i].is_symbolic()) {
      fail(call, str("dim ", i, " of ", ir::to_string(call.inputs[0]),
                     " is symbolic; expected a known size where a border is added"));
    }
    notation.factors[static_cast<size_t>(dims[i])].kind = spec::FactorKind::kWhole;
    const auto wide = checked_add(before[i], after[i]);
    const auto total = wide ? checked_add(*wide, in[i].size) : wide;
    if (!total) fail(call, str("the border of dim ", i, " exceeds 2^63 elements"));
    padded[i] = add_factor(notation, str("p", i), spec::FactorKind::kWhole, *total);
  }
  notation.inputs = {index_of(dims)};
  notation.outputs = {index_of(padded)};
  if (call.attributes.number_or("value", 0) == 0) notation.linear_in = {{0}};
  return bound(call, std::move(notation));
}

std::vector<OpSample> pad_samples() {
  const auto borders = [](std::vector<int64_t> before, std::vector<int64_t> after, double value) {
    return attributes(
        {{"before", std::move(before)}, {"after", std::move(after)}, {"value", value}});
  };
  return {float_sample({f32({5, 3, 4})}, borders({1, 0, 0}, {0, 2, 0}, 0)),
          float_sample({f32({4, 5})}, borders({0, 3}, {0, 0}, 1.5))};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "pad",
     .summary = "Adds a border of one value. Attributes before and after (elements per dim), value "
                "(0 when missing).",
     .notation = "y[..,p] = x[..,d]; map ..; whole d p where a border is; linear x (value 0)",
     .bind = bind_pad,
     .flops = no_cost,
     .samples = pad_samples},
}};

}  // namespace

std::span<const OpDef> pad_ops() { return kOps; }

}  // namespace partita::ops
