// SPDX-License-Identifier: Apache-2.0
#include "planner/mesh_parts.h"

#include <algorithm>
#include <numeric>

#include "support/error.h"

namespace partita::planner {
namespace {

bool is_plain(const spec::Mesh& mesh) {
  std::vector<int> plain(static_cast<size_t>(mesh.size()));
  std::iota(plain.begin(), plain.end(), 0);
  return mesh.ranks() == plain;
}

spec::Mesh without_replicas(const spec::Mesh& mesh) {
  std::vector<spec::MeshAxis> axes = mesh.axes();
  std::erase_if(axes, [](const auto& axis) { return axis.name == kReplicaAxis; });
  if (axes.size() == mesh.axes().size()) return mesh;
  if (!is_plain(mesh)) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[planner] mesh ", mesh.to_string(),
                    " has replicas and an own order of the ranks; use one of them"));
  }
  return spec::Mesh(axes);
}

// The last axis that is neither stages nor replicas, or -1.
int growing_axis(const spec::Mesh& mesh) {
  int result = -1;
  for (int axis = 0; axis < mesh.axis_count(); ++axis) {
    const std::string& name = mesh.axes()[static_cast<size_t>(axis)].name;
    if (name != kStageAxis && name != kReplicaAxis) result = axis;
  }
  return result;
}

}  // namespace

MeshParts parts_of(const spec::Mesh& mesh) {
  MeshParts parts;
  parts.replica = without_replicas(mesh);
  parts.replicas = mesh.size() / parts.replica.size();
  const int stage_axis = parts.replica.axis_index(kStageAxis);
  if (stage_axis < 0) {
    parts.stages = {parts.replica};
    return parts;
  }
  std::vector<spec::MeshAxis> axes = parts.replica.axes();
  const int64_t stages = axes[static_cast<size_t>(stage_axis)].size;
  axes.erase(axes.begin() + stage_axis);
  for (int64_t stage = 0; stage < stages; ++stage) {
    std::vector<int> ranks;
    for (int64_t cell = 0; cell < parts.replica.size(); ++cell) {
      if (parts.replica.coordinate(cell, stage_axis) == stage) {
        ranks.push_back(parts.replica.ranks()[static_cast<size_t>(cell)]);
      }
    }
    parts.stages.emplace_back(axes, ranks);
  }
  return parts;
}

spec::Mesh mesh_of(const MeshParts& parts) {
  if (parts.replicas == 1) return parts.replica;
  std::vector<spec::MeshAxis> axes = parts.replica.axes();
  axes.insert(axes.begin(), {kReplicaAxis, parts.replicas});
  return spec::Mesh(axes);
}

int64_t growing_axis_size(const spec::Mesh& mesh) {
  const int axis = growing_axis(mesh);
  return axis < 0 ? 1 : mesh.axes()[static_cast<size_t>(axis)].size;
}

spec::Mesh resized_mesh(const spec::Mesh& mesh, int64_t size) {
  std::vector<spec::MeshAxis> axes = mesh.axes();
  const int axis = growing_axis(mesh);
  if (axis < 0) {
    axes.push_back({"tp", size});
  } else {
    axes[static_cast<size_t>(axis)].size = size;
  }
  return spec::Mesh(axes);
}

}  // namespace partita::planner
