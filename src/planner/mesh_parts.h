// SPDX-License-Identifier: Apache-2.0
// Over which ranks each stage of a pipeline lies: read off a user's mesh, or given stage by stage.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spec/mesh.h"

namespace partita::planner {

inline constexpr char kStageAxis[] = "pp";
inline constexpr char kReplicaAxis[] = "dp";

// Value type. Example: "tp=2 | tp=1" has the stages {tp=2 on ranks 0, 1} and {tp=1 on rank 2}.
struct MeshParts {
  int64_t replicas = 1;
  spec::Mesh replica;              // the ranks of one replica; for unequal stages one axis "rank"
  std::vector<spec::Mesh> stages;  // in order; together they hold every rank of the replica once
  std::vector<int> devices;        // per rank of the replica the described device that it drives

  // The stage's mesh with devices instead of ranks.
  [[nodiscard]] spec::Mesh devices_of_stage(size_t stage) const;
  // Whether all stages have equal meshes, so that the replica is one mesh.
  [[nodiscard]] bool is_equal() const;
  // "pp=2,tp=4", or "tp=2 | tp=1" for stages of unlike meshes.
  [[nodiscard]] std::string to_string() const;
};

// The axis pp makes stages of equal meshes, dp replicas; all other axes split tensors. Throws
// kInvalidArgument when replicas and an own order of the ranks are mixed.
[[nodiscard]] MeshParts parts_of(const spec::Mesh& mesh);

// One mesh per stage; its ranks are taken one after the other. Throws kInvalidArgument when there
// is none, or one has the axis pp or dp.
[[nodiscard]] MeshParts parts_of_stages(const std::vector<spec::Mesh>& stages);

// One mesh per stage whose ranks are described devices; together they hold 0, 1, 2, ... once. The
// ranks of the replica are the devices.
[[nodiscard]] MeshParts parts_of_devices(const std::vector<spec::Mesh>& stages);

// "pp=2,tp=4" as spec::Mesh::parse() reads it, or the meshes of the stages in order with bars
// between them: "tp=2 | tp=1", "host=2,gpu=4 | gpu=8". Throws kInvalidArgument.
[[nodiscard]] MeshParts parse_parts(std::string_view text);

// Size of the axis that grows when a mesh gets more ranks: its last tensor axis, 1 when it has
// none.
[[nodiscard]] int64_t growing_axis_size(const spec::Mesh& mesh);
// The mesh with another size of that axis; an axis tp is added to a mesh without any.
[[nodiscard]] spec::Mesh resized_mesh(const spec::Mesh& mesh, int64_t size);

}  // namespace partita::planner
