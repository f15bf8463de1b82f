// SPDX-License-Identifier: Apache-2.0
// The table of CPU kernels that CMake writes from the folder names.
#pragma once

#include <span>
#include <string_view>

#include "ops/kernel.h"

namespace partita::ops {

// One folder ops/<name>/ and the function `<name>_cpu_kernels()` that its kernel file defines.
struct KernelFolder {
  std::string_view name;
  std::span<const KernelList> (*kernels)();
};

// One row per folder that holds a CPU kernel, sorted by name.
[[nodiscard]] std::span<const KernelFolder> kernel_folders();

}  // namespace partita::ops
