// SPDX-License-Identifier: Apache-2.0
// Narrows the strategies of a node, and the specs a shared weight may be stored in, to what the
// pins ask for.
#pragma once

#include <string>
#include <vector>

#include "planner/graph_facts.h"
#include "spec/strategy.h"

namespace partita::planner {

// The node the strategies belong to; borrowed.
struct PinnedNode {
  const GraphFacts& facts;
  ir::NodeId node;
  const spec::Mesh& mesh;

  [[nodiscard]] const ir::Graph& graph() const { return facts.graph(); }
  [[nodiscard]] const PinnedGraph& pins() const { return facts.pins(); }
  [[nodiscard]] const spec::Notation& notation() const {
    return facts.kinds()[static_cast<size_t>(facts.kind_of(node))].notation;
  }
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
std::string keep_pinned_specs(const GraphFacts& facts,
                              ir::ValueId value,
                              const spec::Mesh& mesh,
                              std::vector<spec::TensorSpec>& specs);

}  // namespace partita::planner
