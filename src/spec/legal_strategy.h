// SPDX-License-Identifier: Apache-2.0
// Whether choices that somebody has written down make a strategy.
#pragma once

#include <span>

#include "spec/notation.h"

namespace partita::spec {

// True when make_strategy() takes these choices (Strategy::axis_factor, one per mesh axis).
[[nodiscard]] bool is_legal(const Notation& notation, std::span<const int> axis_factor);

}  // namespace partita::spec
