// SPDX-License-Identifier: Apache-2.0
// A plan in a few lines for people.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "ir/graph.h"
#include "plan/plan.h"

namespace partita::planner {

// Collectives of one decode step: calls and payload bytes.
struct CollectiveCount {
  int64_t calls = 0;
  int64_t decode_bytes = 0;
  bool operator==(const CollectiveCount&) const = default;
};

// (layer of the producer, kind of collective) -> count; layer -1 holds what belongs to no layer.
// Slices are local and not counted.
using CollectiveTable = std::map<std::pair<int32_t, std::string>, CollectiveCount>;
[[nodiscard]] CollectiveTable collectives_per_layer(const plan::Plan& plan, const ir::Graph& graph);

// Mesh, stages, memory by kind, collectives per layer, predicted times, gap, warnings. Layers with
// the same collectives share a line. Lines end with '\n'.
[[nodiscard]] std::string explain(const plan::Plan& plan, const ir::Graph& graph);

}  // namespace partita::planner
