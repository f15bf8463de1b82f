// SPDX-License-Identifier: Apache-2.0
#include "planner/pins/pinned_meshes.h"

#include "planner/mesh_parts.h"
#include "support/error.h"

namespace partita::planner {

std::optional<std::string> misfit_of(const PinnedGraph& pins, const spec::Mesh& mesh) {
  if (pins.empty()) return std::nullopt;
  const MeshParts parts = parts_of(mesh);
  return pins.misfit(parts.stages.front(), static_cast<int>(parts.stages.size()));
}

std::vector<spec::Mesh> with_pinned_axes(const PinnedGraph& pins, std::vector<spec::Mesh> meshes) {
  std::optional<std::string> misfit;
  std::erase_if(meshes, [&](const spec::Mesh& mesh) {
    auto reason = misfit_of(pins, mesh);
    if (reason) misfit = std::move(reason);
    return reason.has_value();
  });
  if (meshes.empty() && misfit) throw Error(ErrorCode::kInvalidArgument, *misfit);
  return meshes;
}

}  // namespace partita::planner
