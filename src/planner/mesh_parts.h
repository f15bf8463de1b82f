// SPDX-License-Identifier: Apache-2.0
// A user's mesh taken apart into replicas, stages and tensor axes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spec/mesh.h"

namespace partita::planner {

inline constexpr char kStageAxis[] = "pp";
inline constexpr char kReplicaAxis[] = "dp";

struct MeshParts {
  int64_t replicas = 1;
  spec::Mesh replica;              // all axes but dp, ranks within one replica
  std::vector<spec::Mesh> stages;  // the replica without pp, one mesh per stage
};

// Throws kInvalidArgument when replicas and an own order of the ranks are mixed.
[[nodiscard]] MeshParts parts_of(const spec::Mesh& mesh);

// The mesh that parts_of() took apart, replicas outermost.
[[nodiscard]] spec::Mesh mesh_of(const MeshParts& parts);

// Size of the axis that grows when a mesh gets more ranks: its last tensor axis, 1 when it has
// none.
[[nodiscard]] int64_t growing_axis_size(const spec::Mesh& mesh);
// The mesh with another size of that axis; an axis tp is added to a mesh without any.
[[nodiscard]] spec::Mesh resized_mesh(const spec::Mesh& mesh, int64_t size);

}  // namespace partita::planner
