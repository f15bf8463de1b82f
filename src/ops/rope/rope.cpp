// SPDX-License-Identifier: Apache-2.0
// rope: rotary position embedding of queries and keys.
#include <array>

#include "ops/declaration.h"
#include "support/error.h"

namespace partita::ops {
namespace {

void check_rotary_dim(const OpCall& call) {
  const int64_t head_dim = call.inputs[0].dims[2].size;
  const int64_t rotary_dim = call.attributes.integer_or("rotary_dim", head_dim);
  if (rotary_dim < 0 || rotary_dim > head_dim || rotary_dim % 2 != 0) {
    fail(call, str("rotary_dim = ", rotary_dim, "; expected an even number in 0..", head_dim));
  }
}

void check_rope_type(const OpCall& call) {
  const std::string type = call.attributes.text_or("rope_type", "default");
  if (type != "default" && type != "linear" && type != "llama3") {
    fail(call, str("rope_type = \"", type, "\"; expected default, linear or llama3"));
  }
  if (!(call.attributes.number("theta") > 0)) fail(call, "theta must be positive");
  if (type != "default" && !(call.attributes.number("factor") > 0)) {
    fail(call, "factor must be positive");
  }
  if (type != "llama3") return;
  const double low = call.attributes.number("low_freq_factor");
  const double high = call.attributes.number("high_freq_factor");
  if (!(low > 0 && high > low)) {
    fail(call, str("low_freq_factor = ", low, ", high_freq_factor = ", high,
                   "; expected 0 < low < high"));
  }
  if (!(call.attributes.number("original_max_position") > 0)) {
    fail(call, "original_max_position must be positive");
  }
}

spec::Notation bind_rope(const OpCall& call) {
  require_inputs(call, 2);
  require_rank(call, 0, 3);
  require_rank(call, 1, 1);
  require_integers(call, 1);
  check_rotary_dim(call);
  check_rope_type(call);
  return bind_text(call, "y[t,h,e] = x[t,h,e], positions[t]; map t h; whole e; linear x");
}

double rope_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  return 3 * product_of_dims(call.inputs[0], symbols);  // two products and a sum
}

OpSample rope_sample(std::initializer_list<int64_t> shape, ir::Attributes attributes) {
  OpSample sample;
  sample.attributes = std::move(attributes);
  sample.inputs = {f32(shape), i32({*shape.begin()})};
  sample.integer_below = {0, 300};
  return sample;
}

std::vector<OpSample> rope_samples() {
  return {
      rope_sample({5, 6, 8}, attributes({{"theta", 10000.0}})),
      rope_sample({3, 5, 10}, attributes({{"theta", 500.0},
                                          {"rotary_dim", int64_t{4}},
                                          {"rope_type", "linear"},
                                          {"factor", 4.0}})),
      rope_sample({7, 2, 16}, attributes({{"theta", 10000.0},
                                          {"rope_type", "llama3"},
                                          {"factor", 8.0},
                                          {"low_freq_factor", 1.0},
                                          {"high_freq_factor", 4.0},
                                          {"original_max_position", int64_t{64}}})),
  };
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "rope",
     .summary = "Rotates pairs (i, i + rotary_dim / 2) of each head by position * frequency(i), in"
                " f32. Attributes theta, rotary_dim (default e), rope_type (default, linear, "
                "llama3), factor, low_freq_factor, high_freq_factor, original_max_position.",
     .notation = "y[t,h,e] = f(x[t,h,:], positions[t]); map t h; whole e; linear x",
     .bind = bind_rope,
     .flops = rope_flops,
     .samples = rope_samples},
}};

}  // namespace

std::span<const OpDef> rope_ops() { return kOps; }

}  // namespace partita::ops
