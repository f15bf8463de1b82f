// SPDX-License-Identifier: Apache-2.0
// Which meshes have what the pins name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "planner/pins/pinned_graph.h"
#include "spec/mesh.h"

namespace partita::planner {

// The first pin that names an axis or a stage that the mesh (as users give it, with pp and dp) has
// not; nothing when all fit.
[[nodiscard]] std::optional<std::string> misfit_of(const PinnedGraph& pins, const spec::Mesh& mesh);

// The meshes (as users give them, with pp and dp) that have all axes and stages that pins name.
// Throws kInvalidArgument naming a pin that fits none.
[[nodiscard]] std::vector<spec::Mesh> with_pinned_axes(const PinnedGraph& pins,
                                                       std::vector<spec::Mesh> meshes);

}  // namespace partita::planner
