// SPDX-License-Identifier: Apache-2.0
// What can be asked about in a plan: operators with their strategies, tensors with their specs.
#pragma once

#include <string>
#include <vector>

#include "planner/explain/open_plan.h"

namespace partita::planner {

// One thing that a subject could be.
struct SubjectChoice {
  std::string name;         // "n:tp", "[t, n:tp]"
  std::string result;       // spec of the operator's first output; strategies behind a spec
  std::string excluded_by;  // "pin", "shard_weights", "keep_whole", or empty
  bool is_chosen = false;
  SpecId spec = -1;  // of a tensor
  ForcedChoice forced;
};

struct Subject {
  std::string name;
  std::string what;               // "operator linear", "weight", "state", "result"
  std::string source;             // the pin that decided; empty = none
  size_t stage = 0;               // the first one that it is in
  ir::NodeId node = ir::kNoId;    // of an operator
  ir::ValueId value = ir::kNoId;  // of a tensor
  std::vector<ir::NodeId> nodes;  // whose compute time hangs on the choice
  std::vector<SubjectChoice> choices;

  // Whether a reshard belongs to it: of the tensor itself; of what the operator reads or makes.
  [[nodiscard]] bool owns(ir::ValueId id, const plan::ReshardDecision& reshard) const;
  std::vector<ir::ValueId> inputs;   // of an operator
  std::vector<ir::ValueId> outputs;  // of an operator; a tensor itself
};

struct SubjectGroup {
  Subject subject;
  std::vector<std::string> alike;  // others of the same pattern and decision
};

// Operators first, each followed by its result of the same name. Throws as explain_choices().
[[nodiscard]] std::vector<SubjectGroup> subjects_of(OpenPlan& plan, const std::string& pattern);

// A tensor with all specs it could have. Throws kInvalidArgument for a step input, which is always
// replicated, and for a value that nothing reads.
[[nodiscard]] Subject tensor_subject(OpenPlan& plan, ir::ValueId value);

}  // namespace partita::planner
