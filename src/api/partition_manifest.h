// SPDX-License-Identifier: Apache-2.0
// partita.json: what a folder of parts holds.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "importer/importer.h"
#include "ir/graph.h"
#include "partition/partition.h"
#include "plan/plan.h"
#include "support/json.h"

namespace partita::api {

struct RankEntry {
  int stage = 0;
  bool has_logits = false;
  std::vector<partition::WeightPiece> weights;
};

struct PartitionManifest {
  importer::ModelInfo info;
  std::vector<std::string> groups;
  ir::SymbolSizes max_sizes;  // for which the programs plan their buffers
  std::vector<RankEntry> ranks;
};

inline constexpr const char* kManifestName = "partita.json";
inline constexpr const char* kModelGraphName = "model.graph";
[[nodiscard]] std::string part_name(int rank);     // "rank-3.safetensors"
[[nodiscard]] std::string program_name(int rank);  // "rank-3.graph"

// The plan is kept beside the manifest, under "plan", because reading it needs the graph.
[[nodiscard]] Json to_json(const PartitionManifest& manifest);
// Throws kInvalidFile naming `what`, the key and the rule.
[[nodiscard]] PartitionManifest manifest_from_json(const Json& json, const std::string& what);

}  // namespace partita::api
