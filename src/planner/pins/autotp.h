// SPDX-License-Identifier: Apache-2.0
// DeepSpeed's automatic tensor parallelism as pins: which linear layers sum over ranks (rows),
// which are cut by outputs (columns), which stay whole.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "planner/pins/partition_config.h"
#include "planner/pins/pin.h"

namespace partita::planner {

// A user's list and where it came from.
struct ItemList {
  std::vector<std::string> items;
  std::string source;  // "allReduceLinearItems (environment)"
};

// The linear layers of a layer class that sum over ranks, by the ends of their paths.
struct InjectionPolicy {
  std::string layer_class;
  std::vector<std::string> names;
};

struct AutoTpRequest {
  const ir::Graph& graph;
  std::string model_type;                             // of config.json
  std::optional<ItemList> all_reduce = std::nullopt;  // in front of the built-in names
  std::optional<ItemList> keep = std::nullopt;        // in front of the built-in names
  std::vector<InjectionPolicy> policies = {};         // instead of the built-in names
  std::optional<PartitionConfig> partition = std::nullopt;
};

struct AutoTpImport {
  std::vector<Pin> pins;
  std::vector<std::string> warnings;  // a tensor that several patterns match
};

// Linear layers within layers, by module path; the first rule that says something counts:
// 1. partition_config: the first pattern that matches (level kPartitionConfig);
// 2. names of injection policies are rows (kPartitionConfig);
// 3. keepLinearItems, then allReduceLinearItems (kHeuristic; a name is one or more components of
// the path);
// 4. built-in names that stay whole; built-in names of rows, and linear layers right before a norm
//    of what they add to; all others are columns (kHeuristic).
// Throws kInvalidArgument: an item or policy name that no linear layer has (naming the nearest), a
// pattern that nothing matches, strict mode with a layer that no pattern matches.
[[nodiscard]] AutoTpImport import_autotp(const AutoTpRequest& request);

}  // namespace partita::planner
