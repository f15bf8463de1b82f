// SPDX-License-Identifier: Apache-2.0
// The operator table that CMake writes from the folder names.
#pragma once

#include <span>
#include <string_view>

#include "ops/op.h"

namespace partita::ops {

// One folder ops/<name>/ and the function `<name>_ops()` that its declaration file defines.
struct OpFolder {
  std::string_view name;
  std::span<const OpDef> (*ops)();
};

// One row per folder that holds a declaration, sorted by name.
[[nodiscard]] std::span<const OpFolder> op_folders();

}  // namespace partita::ops
