// SPDX-License-Identifier: Apache-2.0
// Pins resolved against a graph: which condition holds at which operator, tensor and stage.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "planner/pins/pin.h"
#include "planner/pins/pin_decision.h"

namespace partita::planner {

// A condition on the strategy of one node, alike for alike nodes of all layers.
struct PinCondition {
  PinLevel level = PinLevel::kUser;
  int decision = 0;          // index of PinnedGraph::decision()
  int input = kOwnStrategy;  // the input slot whose spec is meant
  auto operator<=>(const PinCondition&) const = default;

  static constexpr int kOwnStrategy = -1;
};

// What the pins mean:
// - a strategy (or "replicated") at an operator: its strategy.
// - a spec (or "replicated") at a weight or state: how it is stored. Its only reader reads it so;
//   several readers may slice it further.
// - a spec at a result or step input: how all its readers get it (graph outputs leave whole).
// - a stage at an operator, or at a weight or state (its readers).
// Immutable, thread-safe. Construction costs O(patterns with wildcards * names).
class PinnedGraph {
 public:
  // Throws kInvalidArgument: a bad pattern or decision; a pattern without match (naming the nearest
  // names); a decision that cannot be meant for what the pattern matches; two stages of one node.
  PinnedGraph(const ir::Graph& graph, std::vector<Pin> pins);

  [[nodiscard]] bool empty() const { return pins_.empty(); }
  [[nodiscard]] const std::vector<Pin>& pins() const { return pins_; }
  [[nodiscard]] const Pin& pin(int index) const { return pins_[static_cast<size_t>(index)]; }
  [[nodiscard]] const PinDecision& decision(int index) const {
    return decisions_[static_cast<size_t>(index)];
  }
  [[nodiscard]] const PinDecision& decision_of_pin(int pin) const {
    return decision(decision_of_pin_[static_cast<size_t>(pin)]);
  }

  // The conditions on a node, strongest level first, and the pins that make them, in step.
  [[nodiscard]] std::span<const PinCondition> conditions_of(ir::NodeId node) const {
    return conditions_[static_cast<size_t>(node)];
  }
  [[nodiscard]] int pin_of(ir::NodeId node, size_t condition) const {
    return condition_pins_[static_cast<size_t>(node)][condition];
  }
  // Pins on how a weight or state with several readers is stored, strongest first.
  [[nodiscard]] const std::vector<int>& stored_pins(ir::ValueId value) const;
  // The stage a node must be in and the pin that says so.
  struct StagePin {
    int stage = 0;
    int pin = 0;
  };
  [[nodiscard]] const std::map<ir::NodeId, StagePin>& stages() const { return stages_; }

  // The first pin that names an axis the mesh has not, or a stage from `stages` on.
  [[nodiscard]] std::optional<std::string> misfit(const spec::Mesh& mesh, int stages) const;

 private:
  void match(int pin, std::span<const std::string> names);
  bool apply(int pin, const std::string& name);
  bool apply_to_value(int pin, ir::ValueId value);
  void apply_to_node(int pin, ir::NodeId node, int input);
  void apply_stage(int pin, ir::NodeId node);
  void sort_conditions();
  [[noreturn]] void refuse(int pin, const std::string& rule) const;

  const ir::Graph& graph_;
  std::vector<Pin> pins_;
  std::vector<PinDecision> decisions_;
  std::vector<int> decision_of_pin_;
  std::map<std::string, ir::NodeId, std::less<>> node_by_name_;
  std::vector<std::vector<std::pair<ir::NodeId, int>>> readers_;  // per value: node, slot
  std::vector<std::vector<PinCondition>> conditions_;             // per node
  std::vector<std::vector<int>> condition_pins_;                  // per node, in step
  std::map<ir::ValueId, std::vector<int>> stored_pins_;
  std::map<ir::NodeId, StagePin> stages_;
};

// "--pin "layers.*.attn=h:tp"": a pin for messages.
[[nodiscard]] std::string to_string(const Pin& pin);

}  // namespace partita::planner
