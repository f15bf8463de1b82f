// SPDX-License-Identifier: Apache-2.0
// Stages with their devices and nodes, before they are decided exactly.
#pragma once

#include <optional>
#include <vector>

#include "planner/mesh_parts.h"
#include "planner/stages/crossings.h"
#include "planner/stages/stage_search.h"
#include "planner/stages/submesh_spaces.h"

namespace partita::planner {

struct StageLayout {
  MeshParts parts;
  std::vector<Range> nodes;    // per stage
  double request_seconds = 0;  // estimated
  double slowest_seconds = 0;
  bool fits = false;  // as far as the estimates tell
};

// Cuts the graph for the given devices, as the request's balance asks or else by the objective.
// Stages that fit nowhere are cut by time alone. Throws kInvalidArgument: fewer nodes than stages,
// other cuts in the request, pins or shared weights that leave no cut.
[[nodiscard]] StageLayout cut_for(SubmeshSpaces& spaces,
                                  const MeshParts& parts,
                                  StageObjective objective);

// The same; nothing when pins or shared weights leave no cut.
[[nodiscard]] std::optional<StageLayout> try_cut_for(SubmeshSpaces& spaces,
                                                     const MeshParts& parts,
                                                     StageObjective objective);

// The best stages over `devices` consecutive devices, of any sizes and shapes that
// submesh_axes() lists, without those that lack an axis which pins name; nothing when no stages
// fit.
[[nodiscard]] std::optional<StageLayout> search_layout(SubmeshSpaces& spaces,
                                                       int64_t devices,
                                                       StageObjective objective);

// How a stage hands over to a later one.
[[nodiscard]] Handover handover_between(const SubmeshSpaces& spaces,
                                        std::span<const int> from,
                                        std::span<const int> to);

}  // namespace partita::planner
