// SPDX-License-Identifier: Apache-2.0
// Narrows the strategies of a node, and the specs a shared weight may be stored in, to what the
// pins ask for.
#pragma once

#include <string>
#include <vector>

#include "planner/pins/pinned_graph.h"
#include "spec/strategy.h"

namespace partita::planner {

// The node the strategies belong to; borrowed.
struct PinnedNode {
  const ir::Graph& graph;
  const PinnedGraph& pins;
  ir::NodeId node;
  const spec::Notation& notation;
  const spec::Mesh& mesh;
};

// Keeps what satisfies the conditions on the node, strongest level first; a condition of a weaker
// level that leaves nothing is passed over. Throws kInvalidArgument: a pin that leaves nothing by
// itself (naming what there is), two of one level that leave nothing together (naming both).
void keep_pinned(const PinnedNode& node, std::vector<spec::Strategy>& strategies);

// The sources of the pins that hold for a chosen strategy, strongest first, joined by "; "; empty =
// the planner chose.
[[nodiscard]] std::string source_of_strategy(const PinnedNode& node,
                                             const std::vector<int>& axis_factor,
                                             const std::vector<spec::TensorSpec>& inputs);

// The specs that a weight with several readers may be stored in, by the same rules. Returns the
// sources of the pins that hold.
std::string keep_pinned_specs(const PinnedGraph& pins,
                              const ir::Graph& graph,
                              ir::ValueId value,
                              const spec::Mesh& mesh,
                              std::vector<spec::TensorSpec>& specs);

}  // namespace partita::planner
