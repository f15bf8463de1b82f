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

// The mesh with `factor` times as many ranks for tensors: its last tensor axis grows, or an axis tp
// is added.
[[nodiscard]] spec::Mesh grown_mesh(const spec::Mesh& mesh, int64_t factor);

}  // namespace partita::planner
