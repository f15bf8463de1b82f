// SPDX-License-Identifier: Apache-2.0
// The one way passes change a graph: say which nodes and values stay and what replaces what, get a
// new graph.
#pragma once

#include <map>
#include <vector>

#include "ir/graph.h"

namespace partita::passes {

// A change of `source`, indexed by its node and value ids. Starts as "nothing changes".
struct Rewrite {
  explicit Rewrite(const ir::Graph& graph);

  const ir::Graph& source;
  std::vector<bool> keep_node;
  std::vector<bool>
      keep_value;  // weights and states; inputs always stay, results follow their node
  std::vector<ir::ValueId>
      replaced_by;  // readers of value i read replaced_by[i] instead; chains are followed
  std::map<ir::ValueId, DType> stored_dtype;  // weights and states that get another element type
  std::map<ir::ValueId, ir::TensorType> result_type;  // results that become of another type

  // Nodes that take the place of others; their outputs are the values of `source` that they make
  // from then on, and no other kept node makes those.
  std::map<ir::NodeId, ir::Node> new_nodes;

  // A new node that comes before the node `before`, and its one result, whose id is for the inputs
  // of new nodes only.
  struct Added {
    ir::NodeId before = ir::kNoId;
    ir::Node node;
    ir::TensorType type;
  };
  std::vector<Added> added;
  // Appends to `added` and returns the result.
  [[nodiscard]] ir::ValueId add_before(ir::NodeId before, ir::Node node, ir::TensorType type);

  // The value that readers of `value` read after the change.
  [[nodiscard]] ir::ValueId resolve(ir::ValueId value) const;
  // The new graph; kept values and nodes stay in their order. CHECKs that no kept node reads a
  // value that went.
  [[nodiscard]] ir::Graph apply() const;
};

}  // namespace partita::passes
