// SPDX-License-Identifier: Apache-2.0
// Reads types and attribute values inside a longer text.
#pragma once

#include <string>

#include "ir/scanner.h"
#include "ir/types.h"

namespace partita::ir {

// "f32[t,512]". Throws kInvalidFile through the scanner.
[[nodiscard]] TensorType scan_type(Scanner& scanner);

// 3, 0.125, "text", [1,2]. Floats always hold a '.', an 'e' or are nan / inf / -inf, and keep their
// bits.
[[nodiscard]] std::string to_string(const Attribute& attribute);
[[nodiscard]] Attribute scan_attribute(Scanner& scanner);

}  // namespace partita::ir
