// SPDX-License-Identifier: Apache-2.0
// linear with weights that are stored in blocks, packed once for the kernels of ops/product/.
#pragma once

#include <memory>

#include "ops/kernel.h"

namespace partita::ops {

// y[rows, n] f32 = x[rows, k] f32 * w[n, k]^T with w of q8_0 or q4_0: see BlockProduct for the
// rounding of x. Null for other types. Takes the weight over when the loader lets it, else packs
// tile by tile in every run.
[[nodiscard]] std::unique_ptr<BoundKernel> bind_packed_linear(const BindArgs& args);

}  // namespace partita::ops
