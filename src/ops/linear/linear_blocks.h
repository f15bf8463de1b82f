// SPDX-License-Identifier: Apache-2.0
// The plain reference of linear for weights that are stored in blocks.
#pragma once

#include <memory>

#include "ops/kernel.h"

namespace partita::ops {

// y[rows, n] f32 = x[rows, k] f32 times the values of the blocks of w[n, k], summed in double. Null
// for other types.
[[nodiscard]] std::unique_ptr<BoundKernel> bind_blocks_reference(const BindArgs& args);

}  // namespace partita::ops
