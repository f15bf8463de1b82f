// SPDX-License-Identifier: Apache-2.0
#include "planner/pins/pinned_graph.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "planner/pins/name_pattern.h"
#include "planner/stored.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using Kind = PinDecision::Kind;

constexpr size_t kNearestNames = 3;

// Tensors and operators; a node and its first output share a name.
std::vector<std::string> names_of(const ir::Graph& graph) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (const ir::Value& value : graph.values()) {
    if (seen.insert(value.name).second) names.push_back(value.name);
  }
  for (const ir::Node& node : graph.nodes()) {
    if (seen.insert(node.name).second) names.push_back(node.name);
  }
  return names;
}

const char* expected_by(Kind kind) {
  switch (kind) {
    case Kind::kSpec:
      return "a spec is for tensors";
    case Kind::kStrategy:
      return "a strategy is for operators";
    case Kind::kReplicated:
      return "\"replicated\" is for operators, weights and states";
    case Kind::kStage:
      return "a stage is for operators, weights and states";
  }
  return "";
}

}  // namespace

std::string to_string(const Pin& pin) {
  return str(pin.source, " (\"", pin.match, "\" = \"", pin.decision, "\")");
}

PinnedGraph::PinnedGraph(const ir::Graph& graph, std::vector<Pin> pins)
    : graph_(graph), pins_(std::move(pins)) {
  conditions_.resize(graph.nodes().size());
  condition_pins_.resize(graph.nodes().size());
  if (pins_.empty()) return;
  readers_.resize(graph.values().size());
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const ir::Node& node = graph.nodes()[i];
    node_by_name_[node.name] = static_cast<ir::NodeId>(i);
    for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
      readers_[static_cast<size_t>(node.inputs[slot])].emplace_back(static_cast<ir::NodeId>(i),
                                                                    static_cast<int>(slot));
    }
  }
  std::map<std::string, int> known;
  for (const Pin& pin : pins_) {
    const auto [found, is_new] =
        known.try_emplace(pin.decision, static_cast<int>(decisions_.size()));
    if (is_new) decisions_.push_back(parse_decision(pin.decision, pin.source));
    decision_of_pin_.push_back(found->second);
  }
  const std::vector<std::string> names = names_of(graph);
  for (int pin = 0; pin < static_cast<int>(pins_.size()); ++pin) match(pin, names);
  sort_conditions();
}

const std::vector<int>& PinnedGraph::stored_pins(ir::ValueId value) const {
  static const std::vector<int> kNone;
  const auto found = stored_pins_.find(value);
  return found == stored_pins_.end() ? kNone : found->second;
}

std::optional<std::string> PinnedGraph::misfit(const spec::Mesh& mesh, int stages) const {
  for (size_t i = 0; i < pins_.size(); ++i) {
    const PinDecision& decision = decision_of_pin(static_cast<int>(i));
    const std::string_view axis = missing_axis(decision, mesh);
    if (!axis.empty()) {
      return str("[pins] ", to_string(pins_[i]), " names the axis \"", axis,
                 "\"; the tensor axes of a stage are ",
                 mesh.axis_count() == 0 ? "none" : mesh.to_string());
    }
    if (decision.kind == Kind::kStage && decision.stage >= stages) {
      return str("[pins] ", to_string(pins_[i]), " names stage ", decision.stage, " of ", stages,
                 " (counted from 0)");
    }
  }
  return std::nullopt;
}

void PinnedGraph::match(int pin, std::span<const std::string> names) {
  const Pin& written = pins_[static_cast<size_t>(pin)];
  const NamePattern pattern(written.match, written.source);
  bool is_matched = false;
  bool is_applied = false;
  const std::string only(pattern.only_name());
  if (!only.empty()) {
    is_matched = graph_.find_value(only).has_value() || node_by_name_.contains(only);
    is_applied = is_matched && apply(pin, only);
  } else {
    for (const std::string& name : names) {
      if (!pattern.matches(name)) continue;
      is_matched = true;
      is_applied = apply(pin, name) || is_applied;
    }
  }
  if (is_applied) return;
  if (is_matched)
    refuse(pin, str("matches nothing that it can be meant for; ",
                    expected_by(decision_of_pin(pin).kind)));
  refuse(pin, str("matches no tensor or operator of ", graph_.name(), "; the nearest are ",
                  nearest_text(written.match, names, kNearestNames)));
}

// Whether the pin means something for what has the name.
bool PinnedGraph::apply(int pin, const std::string& name) {
  const auto value = graph_.find_value(name);
  const auto node = node_by_name_.find(name);
  const bool is_node = node != node_by_name_.end();
  switch (decision_of_pin(pin).kind) {
    case Kind::kStrategy:
      if (is_node) apply_to_node(pin, node->second, PinCondition::kOwnStrategy);
      return is_node;
    case Kind::kReplicated:
      if (is_node) apply_to_node(pin, node->second, PinCondition::kOwnStrategy);
      if (is_node) return true;
      return value && is_stored(graph_.value(*value)) && apply_to_value(pin, *value);
    case Kind::kSpec:
      return value && apply_to_value(pin, *value);
    case Kind::kStage:
      if (is_node) apply_stage(pin, node->second);
      if (is_node) return true;
      if (!value || !is_stored(graph_.value(*value))) return false;
      for (const auto& [reader, slot] : readers_[static_cast<size_t>(*value)]) {
        apply_stage(pin, reader);
      }
      return true;
  }
  return false;
}

bool PinnedGraph::apply_to_value(int pin, ir::ValueId id) {
  const ir::Value& value = graph_.value(id);
  const auto& readers = readers_[static_cast<size_t>(id)];
  if (value.kind == ir::ValueKind::kWeight && readers.size() > 1) {
    stored_pins_[id].push_back(pin);
    return true;
  }
  const auto& outputs = graph_.outputs();
  const bool is_output = std::find(outputs.begin(), outputs.end(), id) != outputs.end();
  if (is_output && !decision_of_pin(pin).axes.empty()) {
    refuse(pin, str("cuts ", value.name, ", an output of the graph; outputs leave whole"));
  }
  for (const auto& [reader, slot] : readers) apply_to_node(pin, reader, slot);
  return true;
}

void PinnedGraph::apply_to_node(int pin, ir::NodeId node, int input) {
  conditions_[static_cast<size_t>(node)].push_back(
      {pins_[static_cast<size_t>(pin)].level, decision_of_pin_[static_cast<size_t>(pin)], input});
  condition_pins_[static_cast<size_t>(node)].push_back(pin);
}

void PinnedGraph::apply_stage(int pin, ir::NodeId node) {
  const int stage = decision_of_pin(pin).stage;
  const auto [found, is_new] = stages_.try_emplace(node, StagePin{stage, pin});
  if (is_new || found->second.stage == stage) return;
  const Pin& other = pins_[static_cast<size_t>(found->second.pin)];
  const Pin& self = pins_[static_cast<size_t>(pin)];
  if (other.level == self.level) {
    refuse(pin, str("and ", to_string(other), " contradict each other at operator ",
                    graph_.node(node).name));
  }
  if (self.level < other.level) found->second = {stage, pin};
}

// Strongest first; pins of one level stay in the order they were given.
void PinnedGraph::sort_conditions() {
  for (size_t node = 0; node < conditions_.size(); ++node) {
    std::vector<size_t> order(conditions_[node].size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return conditions_[node][a].level < conditions_[node][b].level;
    });
    std::vector<PinCondition> conditions;
    std::vector<int> pins;
    for (const size_t i : order) {
      if (std::find(conditions.begin(), conditions.end(), conditions_[node][i]) !=
          conditions.end()) {
        continue;  // said twice
      }
      conditions.push_back(conditions_[node][i]);
      pins.push_back(condition_pins_[node][i]);
    }
    conditions_[node] = std::move(conditions);
    condition_pins_[node] = std::move(pins);
  }
  for (auto& [value, pins] : stored_pins_) {
    std::stable_sort(pins.begin(), pins.end(), [&](int a, int b) {
      return pins_[static_cast<size_t>(a)].level < pins_[static_cast<size_t>(b)].level;
    });
  }
}

void PinnedGraph::refuse(int pin, const std::string& rule) const {
  throw Error(ErrorCode::kInvalidArgument,
              str("[pins] ", to_string(pins_[static_cast<size_t>(pin)]), " ", rule));
}

}  // namespace partita::planner
