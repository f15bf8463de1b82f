// SPDX-License-Identifier: Apache-2.0
// Reads a weight source inside a longer text.
#pragma once

#include "ir/scanner.h"
#include "ir/weight_source.h"

namespace partita::ir {

// The expression that comes next. Throws kInvalidFile through the scanner.
[[nodiscard]] WeightSource scan_weight_source(Scanner& scanner);

}  // namespace partita::ir
