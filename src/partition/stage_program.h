// SPDX-License-Identifier: Apache-2.0
// What one stage does, for all its ranks at once: nodes with their layouts, reshards, messages.
// Ranks are cut from it.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "ir/graph.h"
#include "partition/node_layout.h"
#include "partition/plan_index.h"
#include "spec/mesh.h"
#include "spec/reshard.h"

namespace partita::partition {

// A value of the unsharded graph lying on the stage's mesh in one spec.
struct PlacedValue {
  ir::ValueId global = ir::kNoId;
  spec::TensorSpec spec;
  std::string name;    // unique in the stage
  bool plain = false;  // an input, weight or state that the stage uses as it is stored
};

struct PlacedNode {
  ir::NodeId node = ir::kNoId;
  NodeLayout layout;
  std::vector<int> inputs;  // index into StageProgram::values
  std::vector<int> outputs;
};

struct PlacedReshard {
  spec::ReshardStep step;
  int from = 0;
  int to = 0;
};

struct PlacedRecv {
  int to = 0;
  int from_stage = 0;
};

struct PlacedSend {
  int from = 0;
  int to_stage = 0;
};

using StageItem = std::variant<PlacedNode, PlacedReshard, PlacedRecv, PlacedSend>;

struct StageProgram {
  int stage = 0;
  std::vector<PlacedValue> values;
  std::vector<StageItem> items;  // receives, nodes and reshards, then sends
  std::vector<int> outputs;      // last stage only
};

// Deterministic; costs O(nodes). Throws kInvalidArgument when the plan contradicts the graph.
[[nodiscard]] StageProgram make_stage_program(const PlanIndex& index, int stage);

}  // namespace partita::partition
