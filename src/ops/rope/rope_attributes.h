// SPDX-License-Identifier: Apache-2.0
// The attributes of rotary positions: those of rope, and of attention that rotates what it reads.
#pragma once

#include "ops/op.h"

namespace partita::ops {

// Whether the attributes of an attention say that it rotates queries and keys itself.
[[nodiscard]] inline bool has_rope(const ir::Attributes& attributes) {
  return attributes.has("theta");
}

// Throws kInvalidArgument naming the op unless the attributes make sense for input 0, [t, h, e].
void check_rope(const OpCall& call);

}  // namespace partita::ops
