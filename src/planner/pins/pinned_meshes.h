// SPDX-License-Identifier: Apache-2.0
// Which meshes have what the pins name.
#pragma once

#include <vector>

#include "planner/pins/pinned_graph.h"
#include "spec/mesh.h"

namespace partita::planner {

// The meshes (as users give them, with pp and dp) that have all axes and stages that pins name.
// Throws kInvalidArgument naming a pin that fits none.
[[nodiscard]] std::vector<spec::Mesh> with_pinned_axes(const PinnedGraph& pins,
                                                       std::vector<spec::Mesh> meshes);

}  // namespace partita::planner
