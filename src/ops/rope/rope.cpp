// SPDX-License-Identifier: Apache-2.0
// rope: rotary position embedding of queries and keys.
#include <array>

#include "ops/declaration.h"
#include "ops/rope/rope_attributes.h"

namespace partita::ops {
namespace {

spec::Notation bind_rope(const OpCall& call) {
  require_inputs(call, 2);
  require_rank(call, 0, 3);
  require_rank(call, 1, 1);
  require_integers(call, 1);
  check_rope(call);
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
