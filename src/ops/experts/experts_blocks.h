// SPDX-License-Identifier: Apache-2.0
// The plain reference of experts for weights that are stored in blocks.
#pragma once

#include <memory>

#include "ops/kernel.h"

namespace partita::ops {

// As the reference for other weights, whose rows are restored one by one. Null unless gate, up and
// down are stored in blocks.
[[nodiscard]] std::unique_ptr<BoundKernel> bind_blocks_experts(const BindArgs& args);

}  // namespace partita::ops
