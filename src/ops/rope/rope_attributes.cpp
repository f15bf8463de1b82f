// SPDX-License-Identifier: Apache-2.0
#include "ops/rope/rope_attributes.h"

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

}  // namespace

void check_rope(const OpCall& call) {
  check_rotary_dim(call);
  check_rope_type(call);
}

}  // namespace partita::ops
