// SPDX-License-Identifier: Apache-2.0
// What ranks store, in one layout from load to end: weights and states.
#pragma once

#include "ir/graph.h"

namespace partita::planner {

[[nodiscard]] inline bool is_stored(const ir::Value& value) {
  return value.kind == ir::ValueKind::kWeight || value.kind == ir::ValueKind::kState;
}

}  // namespace partita::planner
