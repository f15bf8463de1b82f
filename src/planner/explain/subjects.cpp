// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/subjects.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "planner/explain/names.h"
#include "planner/pins/name_pattern.h"
#include "planner/stored.h"
#include "support/error.h"

namespace partita::planner {
namespace {

constexpr size_t kMaxGroups = 12;

// A stored matrix is never a term of a sum: such a strategy exists on paper only.
bool can_be_stored(const StrategyOption& option,
                   const ir::Node& node,
                   OpenPlan& plan,
                   size_t stage) {
  for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
    const ir::Value& input = plan.graph().value(node.inputs[slot]);
    if (is_stored(input) && !may_be_term(input) &&
        !plan.space(stage).spec(option.inputs[slot]).partials.empty()) {
      return false;
    }
  }
  return true;
}

struct RuledStrategy {
  StrategyOption option;
  std::string name;
  std::string excluded_by;
};

// All strategies of a node; those that the rules exclude are marked.
std::vector<RuledStrategy> strategies_of(OpenPlan& plan, ir::NodeId node, size_t stage) {
  PlanSpace& space = plan.space(stage);
  const NodeKind& kind = plan.facts().kinds()[static_cast<size_t>(plan.facts().kind_of(node))];
  const StrategyTable& ruled = space.table_of(node);
  std::vector<RuledStrategy> result;
  for (StrategyOption& option : space.all_strategies(node)) {
    if (!can_be_stored(option, plan.graph().node(node), plan, stage)) continue;
    const bool is_allowed = std::any_of(
        ruled.begin(), ruled.end(),
        [&](const StrategyOption& other) { return other.axis_factor == option.axis_factor; });
    std::string name = strategy_text(plan.facts(), node, option.axis_factor, space.mesh());
    const char* rule = !kind.pins.empty() ? "pin"
                       : kind.keep_whole  ? "keep_whole"
                                          : "shard_weights";
    result.push_back({std::move(option), std::move(name), is_allowed ? "" : rule});
  }
  return result;
}

std::string text_of(OpenPlan& plan, ir::ValueId value, SpecId spec, size_t stage) {
  PlanSpace& space = plan.space(stage);
  return spec_text(plan.facts(), value, space.spec(spec), space.mesh());
}

Subject operator_subject(OpenPlan& plan, ir::NodeId id) {
  const ir::Node& node = plan.graph().node(id);
  Subject subject;
  subject.name = node.name;
  subject.what = "operator " + node.op;
  subject.stage = static_cast<size_t>(plan.plan().stage_of_node(id));
  subject.node = id;
  subject.nodes = {id};
  subject.inputs = node.inputs;
  subject.outputs = node.outputs;
  subject.source = plan.space(subject.stage).source_of_option(id, plan.chosen(id));
  for (RuledStrategy& strategy : strategies_of(plan, id, subject.stage)) {
    SubjectChoice choice;
    choice.name = strategy.name;
    choice.result =
        text_of(plan, node.outputs.front(), strategy.option.outputs.front(), subject.stage);
    choice.excluded_by = strategy.excluded_by;
    choice.is_chosen = strategy.option.axis_factor == plan.chosen(id).axis_factor;
    choice.forced = {.node = id, .strategies = {std::move(strategy.option)}};
    subject.choices.push_back(std::move(choice));
  }
  return subject;
}

// The specs that the strategies of one node give to a value: an output, or an input that it alone
// reads. An allowed strategy makes a spec allowed.
template <typename SpecOf>
void add_specs_of_node(OpenPlan& plan, ir::NodeId node, const SpecOf& spec_of, Subject& subject) {
  for (RuledStrategy& strategy : strategies_of(plan, node, subject.stage)) {
    const SpecId spec = spec_of(strategy.option);
    auto found = std::find_if(subject.choices.begin(), subject.choices.end(),
                              [&](const SubjectChoice& choice) { return choice.spec == spec; });
    if (found == subject.choices.end()) {
      SubjectChoice choice;
      choice.name = text_of(plan, subject.value, spec, subject.stage);
      choice.excluded_by = strategy.excluded_by;
      choice.spec = spec;
      choice.forced.node = node;
      found = subject.choices.insert(subject.choices.end(), std::move(choice));
    }
    if (strategy.excluded_by.empty() && !found->excluded_by.empty()) {
      found->excluded_by.clear();
      found->result.clear();
      found->forced.strategies.clear();
    }
    if (strategy.excluded_by != found->excluded_by) continue;
    found->result += (found->result.empty() ? "" : " | ") + strategy.name;
    found->forced.strategies.push_back(std::move(strategy.option));
  }
}

// The specs that several readers of a weight or state want, and for a weight the whole.
void add_specs_of_readers(OpenPlan& plan, const std::vector<Use>& readers, Subject& subject) {
  PlanSpace& space = plan.space(subject.stage);
  std::vector<SpecId> specs;
  for (const Use& use : readers) {
    for (const StrategyOption& option : space.table_of(use.node)) {
      specs.push_back(option.inputs[static_cast<size_t>(use.slot)]);
    }
  }
  if (plan.graph().value(subject.value).kind == ir::ValueKind::kWeight) {
    specs.push_back(space.replicated(subject.value));
  }
  std::vector<SpecId> seen;
  for (const SpecId spec : specs) {
    if (std::find(seen.begin(), seen.end(), spec) != seen.end()) continue;
    seen.push_back(spec);
    if (!space.spec(spec).partials.empty()) continue;
    SubjectChoice choice;
    choice.name = text_of(plan, subject.value, spec, subject.stage);
    choice.result = "stored once for all readers";
    choice.spec = spec;
    choice.forced.stored = subject.value;
    choice.forced.spec = spec;
    subject.choices.push_back(std::move(choice));
  }
}

// What the operator that makes a result can make.
void add_specs_of_result(OpenPlan& plan, const ir::Value& value, Subject& subject) {
  subject.what = "result";
  subject.nodes = {value.producer};
  const auto& outputs = plan.graph().node(value.producer).outputs;
  const auto slot = static_cast<size_t>(std::find(outputs.begin(), outputs.end(), subject.value) -
                                        outputs.begin());
  add_specs_of_node(
      plan, value.producer, [&](const StrategyOption& option) { return option.outputs[slot]; },
      subject);
}

// What the readers of a weight or state want.
void add_specs_of_stored(OpenPlan& plan, Subject& subject) {
  std::vector<Use> readers = plan.facts().uses_of(subject.value);
  std::erase_if(readers, [](const Use& use) { return use.node == ir::kNoId; });
  for (const Use& use : readers) subject.nodes.push_back(use.node);
  if (readers.size() != 1) return add_specs_of_readers(plan, readers, subject);
  const auto slot = static_cast<size_t>(readers.front().slot);
  add_specs_of_node(
      plan, readers.front().node, [&](const StrategyOption& option) { return option.inputs[slot]; },
      subject);
}

[[noreturn]] void refuse_unknown(const ir::Graph& graph, const std::string& pattern) {
  std::vector<std::string> names;
  for (const ir::Node& node : graph.nodes()) names.push_back(node.name);
  for (const ir::Value& value : graph.values()) names.push_back(value.name);
  throw Error(ErrorCode::kNotFound,
              str("[explain] no operator or tensor of ", graph.name(), " matches \"", pattern,
                  "\"; the nearest names are ", nearest_text(pattern, names, 5),
                  missing_number(pattern, names), "; partita plan DIR --graph lists all"));
}

// Joins names that differ in their layer only and have the same decision.
class Groups {
 public:
  explicit Groups(OpenPlan& plan) : plan_(plan) {}

  void add_operator(ir::NodeId node) {
    add({layer_pattern(plan_.graph().node(node).name), plan_.facts().kind_of(node),
         plan_.chosen(node).axis_factor, 0},
        plan_.graph().node(node).name, [&] { return operator_subject(plan_, node); });
  }

  void add_tensor(ir::ValueId id) {
    const ir::Value& value = plan_.graph().value(id);
    const bool is_used = value.producer != ir::kNoId || !plan_.stages_of(id).empty();
    const std::vector<int> decision = {
        value.kind == ir::ValueKind::kInput || !is_used ? -1 : plan_.chosen_spec(id)};
    add({layer_pattern(value.name), plan_.facts().type_of(id), decision, 1}, value.name,
        [&] { return tensor_subject(plan_, id); });
  }

  std::vector<SubjectGroup> take() { return std::move(groups_); }

 private:
  using Key = std::tuple<std::string, int, std::vector<int>, int>;

  template <typename Make>
  void add(const Key& key, const std::string& name, const Make& make) {
    const auto [found, is_new] = group_of_.try_emplace(key, groups_.size());
    if (!is_new) {
      groups_[found->second].alike.push_back(name);
      return;
    }
    if (groups_.size() == kMaxGroups) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[explain] the pattern matches more than ", kMaxGroups,
                      " different operators and tensors; use a narrower one"));
    }
    groups_.push_back({make(), {}});
  }

  OpenPlan& plan_;
  std::map<Key, size_t> group_of_;
  std::vector<SubjectGroup> groups_;
};

}  // namespace

bool Subject::owns(ir::ValueId id, const plan::ReshardDecision& reshard) const {
  if (std::find(outputs.begin(), outputs.end(), id) != outputs.end()) return true;
  if (std::find(inputs.begin(), inputs.end(), id) == inputs.end()) return false;
  return std::find(reshard.consumers.begin(), reshard.consumers.end(), name) !=
         reshard.consumers.end();
}

Subject tensor_subject(OpenPlan& plan, ir::ValueId id) {
  const ir::Value& value = plan.graph().value(id);
  const std::vector<size_t> stages = plan.stages_of(id);
  if (value.kind == ir::ValueKind::kInput || stages.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[explain] ", value.name,
                    stages.empty() ? " is read by no operator; there is nothing to decide"
                                   : " is a step input; those always come replicated"));
  }
  Subject subject;
  subject.name = value.name;
  subject.stage = stages.front();
  subject.value = id;
  subject.outputs = {id};
  const auto source = plan.plan().value_sources.find(value.name);
  if (source != plan.plan().value_sources.end()) subject.source = source->second;
  if (value.kind == ir::ValueKind::kResult) {
    add_specs_of_result(plan, value, subject);
  } else {
    subject.what = value.kind == ir::ValueKind::kWeight ? "weight" : "state";
    add_specs_of_stored(plan, subject);
  }
  const SpecId chosen = plan.chosen_spec(id);
  for (SubjectChoice& choice : subject.choices) choice.is_chosen = choice.spec == chosen;
  return subject;
}

std::vector<SubjectGroup> subjects_of(OpenPlan& plan, const std::string& pattern) {
  const ir::Graph& graph = plan.graph();
  const NamePattern name_pattern(pattern, "explain");
  Groups groups(plan);
  for (ir::NodeId node = 0; node < plan.facts().node_count(); ++node) {
    if (name_pattern.matches(graph.node(node).name)) groups.add_operator(node);
  }
  for (ir::ValueId id = 0; id < static_cast<ir::ValueId>(graph.values().size()); ++id) {
    if (name_pattern.matches(graph.value(id).name)) groups.add_tensor(id);
  }
  std::vector<SubjectGroup> result = groups.take();
  if (result.empty()) refuse_unknown(graph, pattern);
  return result;
}

}  // namespace partita::planner
