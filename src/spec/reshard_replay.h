// SPDX-License-Identifier: Apache-2.0
// Whether a step of a reshard that somebody has written down does what it says.
#pragma once

#include <cstdint>
#include <span>

#include "spec/mesh.h"
#include "spec/reshard.h"
#include "spec/tensor_spec.h"

namespace partita::spec {

// True when kind, axes, dims and reduction of the step turn `before` into exactly its result, as a
// step of cheapest_path() does. Both specs must be valid for `shape`, where symbolic dims are
// negative; the other fields of the step may hold anything.
[[nodiscard]] bool is_step_from(const TensorSpec& before,
                                const ReshardStep& step,
                                std::span<const int64_t> shape,
                                const Mesh& mesh);

}  // namespace partita::spec
