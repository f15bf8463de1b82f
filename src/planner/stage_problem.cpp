// SPDX-License-Identifier: Apache-2.0
#include "planner/stage_problem.h"

#include <algorithm>

#include "support/error.h"

namespace partita::planner {
namespace {

void append_unique(std::vector<SpecId>& list, const std::vector<SpecId>& more) {
  for (const SpecId id : more) {
    if (std::find(list.begin(), list.end(), id) == list.end()) list.push_back(id);
  }
}

}  // namespace

StageProblem::StageProblem(PlanSpace& space, Range nodes, const PinnedSpecs& pinned)
    : space_(space), nodes_(nodes), pinned_(pinned) {
  add_node_variables();
  const auto& values = space.graph().values();
  for (ir::ValueId id = 0; id < static_cast<ir::ValueId>(values.size()); ++id) {
    switch (values[static_cast<size_t>(id)].kind) {
      case ir::ValueKind::kWeight:
      case ir::ValueKind::kState:
        if (is_sent_here(id)) {
          add_received_value(id);
        } else {
          add_stored_value(id);
        }
        break;
      case ir::ValueKind::kInput:
        add_received_value(id);
        break;
      case ir::ValueKind::kResult:
        if (nodes_.contains({values[static_cast<size_t>(id)].producer,
                             values[static_cast<size_t>(id)].producer + 1})) {
          add_result(id);
        } else {
          add_received_value(id);
        }
        break;
    }
  }
}

StageProblem::LocalUses StageProblem::uses_of(ir::ValueId value) const {
  LocalUses uses;
  for (const Use& use : space_.facts().uses_of(value)) {
    const bool is_inside =
        use.node != ir::kNoId && nodes_.begin <= use.node && use.node < nodes_.end;
    if (is_inside) {
      uses.readers.push_back(use);
    } else {
      uses.is_needed_outside = true;
    }
  }
  return uses;
}

bool StageProblem::is_sent_here(ir::ValueId value) const {
  return space_.facts().is_sent(value) && space_.facts().uses_of(value).front().node < nodes_.begin;
}

void StageProblem::add_node_variables() {
  for (int64_t node = nodes_.begin; node < nodes_.end; ++node) {
    Variable& variable = problem_.variables.emplace_back();
    for (const StrategyOption& option : space_.table_of(static_cast<ir::NodeId>(node))) {
      variable.cost.push_back(option.cost);
      variable.bytes.push_back(0);
    }
  }
}

void StageProblem::add_stored_value(ir::ValueId value) {
  const LocalUses uses = uses_of(value);
  const std::vector<Use>& readers = uses.readers;
  if (readers.empty()) return;
  stored_.push_back(value);
  const bool sends = uses.is_needed_outside && space_.facts().is_sent(value);
  const auto pin = pinned_.find(value);
  const bool is_state = space_.graph().value(value).kind == ir::ValueKind::kState;
  const EdgeRule rule = may_be_term(space_.graph().value(value)) ? EdgeRule::kLocal
                        : is_state                               ? EdgeRule::kEqual
                                                                 : EdgeRule::kSliceOnly;
  if (readers.size() == 1 && pin == pinned_.end() && !sends) {
    // The reader decides: no variable of its own.
    add_stored_for(readers[0], value, rule);
    return;
  }
  Layout layout = {static_cast<int>(problem_.variables.size()), {}};
  for (const Use& use : readers) append_unique(layout.specs, stored_forms(input_specs(use)));
  if (!is_state) append_unique(layout.specs, {space_.replicated(value)});
  if (pin == pinned_.end()) {
    space_.keep_pinned_specs(value, layout.specs);
  } else {
    layout.specs = {pin->second};
  }
  const size_t options = layout.specs.size();
  problem_.variables.push_back({std::vector<Cost>(options, 0), std::vector<int64_t>(options, 0)});
  add_bytes(layout.variable, layout.specs, value);
  for (const Use& use : readers) {
    add_edge(layout.variable, variable_of(use.node),
             table_of(layout.specs, input_specs(use), value, rule));
  }
  if (sends) add_unary(layout.variable, layout.specs, {space_.replicated(value)}, value);
  layouts_[value] = std::move(layout);
}

// What is stored is never a term of a sum; a reader that wants terms of a bias makes them.
void StageProblem::add_stored_for(const Use& reader, ir::ValueId value, EdgeRule rule) {
  const int variable = variable_of(reader.node);
  const SpecList wanted = input_specs(reader);
  const SpecList stored = stored_forms(wanted);
  std::vector<Cost>& cost = problem_.variables[static_cast<size_t>(variable)].cost;
  for (size_t i = 0; i < wanted.size(); ++i) {
    cost[i] = std::min(kForbidden, cost[i] + edge_cost(stored[i], wanted[i], value, rule));
  }
  add_bytes(variable, stored, value);
}

StageProblem::SpecList StageProblem::stored_forms(SpecList specs) {
  for (SpecId& id : specs) id = space_.without_partials(id);
  return specs;
}

void StageProblem::add_result(ir::ValueId value) {
  const LocalUses uses = uses_of(value);
  const int producer = variable_of(space_.graph().value(value).producer);
  const size_t count = uses.readers.size() + (uses.is_needed_outside ? 1 : 0);
  if (count == 0) return;
  if (count > 1) {
    SpecList candidates = output_specs(value);
    for (const Use& use : uses.readers) append_unique(candidates, input_specs(use));
    if (uses.is_needed_outside) append_unique(candidates, {space_.replicated(value)});
    add_layout(value, uses, std::move(candidates));
  } else if (uses.is_needed_outside) {
    add_unary(producer, output_specs(value), {space_.replicated(value)}, value);
  } else {
    add_edge(
        producer, variable_of(uses.readers[0].node),
        table_of(output_specs(value), input_specs(uses.readers[0]), value, EdgeRule::kReshard));
  }
}

void StageProblem::add_layout(ir::ValueId value,
                              const LocalUses& uses,
                              const SpecList& candidates) {
  Layout layout = {static_cast<int>(problem_.variables.size()), {}};
  append_unique(layout.specs, candidates);
  const size_t options = layout.specs.size();
  problem_.variables.push_back({std::vector<Cost>(options, 0), std::vector<int64_t>(options, 0)});
  add_edge(variable_of(space_.graph().value(value).producer), layout.variable,
           table_of(output_specs(value), layout.specs, value, EdgeRule::kReshard));
  for (const Use& use : uses.readers) {
    add_edge(layout.variable, variable_of(use.node),
             table_of(layout.specs, input_specs(use), value, EdgeRule::kReshard));
  }
  if (uses.is_needed_outside) {
    add_unary(layout.variable, layout.specs, {space_.replicated(value)}, value);
  }
  layouts_[value] = std::move(layout);
}

void StageProblem::add_received_value(ir::ValueId value) {
  for (const Use& use : uses_of(value).readers) {
    add_unary(variable_of(use.node), {space_.replicated(value)}, input_specs(use), value);
  }
}

void StageProblem::add_bytes(int variable, const SpecList& specs, ir::ValueId value) {
  std::vector<int64_t>& bytes = problem_.variables[static_cast<size_t>(variable)].bytes;
  for (size_t i = 0; i < specs.size(); ++i) bytes[i] += space_.bounded_bytes(specs[i], value);
}

// One of the lists has one entry; the other one belongs to the options of the variable.
void StageProblem::add_unary(int variable,
                             const SpecList& from,
                             const SpecList& to,
                             ir::ValueId value) {
  std::vector<Cost>& cost = problem_.variables[static_cast<size_t>(variable)].cost;
  for (size_t i = 0; i < cost.size(); ++i) {
    const Cost added = edge_cost(from[from.size() == 1 ? 0 : i], to[to.size() == 1 ? 0 : i], value,
                                 EdgeRule::kReshard);
    cost[i] = std::min(kForbidden, cost[i] + added);
  }
  note_contradiction(cost, value);
}

// A node that reads one value twice has two edges to its layout, and none to itself.
void StageProblem::add_edge(int first, int second, int table) {
  CHECK(first != second, "a value is read by the node that makes it");
  problem_.edges.push_back({first, second, table});
}

int StageProblem::table_of(const SpecList& from,
                           const SpecList& to,
                           ir::ValueId value,
                           EdgeRule rule) {
  const auto list_id = [&](const SpecList& list) {
    return list_ids_.try_emplace(list, static_cast<int>(list_ids_.size())).first->second;
  };
  const int type = space_.facts().type_of(value);
  const auto [found, is_new] = tables_.try_emplace({list_id(from), list_id(to), type, rule},
                                                   static_cast<int>(problem_.tables.size()));
  if (is_new) {
    EdgeTable table = {static_cast<int>(from.size()), static_cast<int>(to.size()), {}};
    table.cost.reserve(from.size() * to.size());
    for (const SpecId row : from) {
      for (const SpecId column : to) table.cost.push_back(edge_cost(row, column, value, rule));
    }
    problem_.tables.push_back(std::move(table));
  }
  note_contradiction(problem_.tables[static_cast<size_t>(found->second)].cost, value);
  return found->second;
}

void StageProblem::note_contradiction(const std::vector<Cost>& costs, ir::ValueId value) {
  if (*std::min_element(costs.begin(), costs.end()) >= kForbidden) contradiction_ = value;
}

Cost StageProblem::edge_cost(SpecId from, SpecId to, ir::ValueId value, EdgeRule rule) {
  if (from == to) return 0;
  if (rule == EdgeRule::kEqual) return kForbidden;
  const bool makes_terms = !space_.spec(to).partials.empty();
  if (rule == EdgeRule::kSliceOnly && makes_terms) return kForbidden;
  const PricedReshard& priced = space_.price(from, to, value);
  return rule != EdgeRule::kReshard && !priced.is_local ? kForbidden : priced.cost;
}

StageProblem::SpecList StageProblem::input_specs(const Use& use) const {
  SpecList list;
  for (const StrategyOption& option : space_.table_of(use.node)) {
    list.push_back(option.inputs[static_cast<size_t>(use.slot)]);
  }
  return list;
}

StageProblem::SpecList StageProblem::output_specs(ir::ValueId value) const {
  const ir::NodeId producer = space_.graph().value(value).producer;
  const auto& outputs = space_.graph().node(producer).outputs;
  const auto slot =
      static_cast<size_t>(std::find(outputs.begin(), outputs.end(), value) - outputs.begin());
  SpecList list;
  for (const StrategyOption& option : space_.table_of(producer)) {
    list.push_back(option.outputs[slot]);
  }
  return list;
}

const StrategyOption& StageProblem::option(const std::vector<int>& choice, ir::NodeId node) const {
  const auto chosen = choice[static_cast<size_t>(variable_of(node))];
  return space_.table_of(node)[static_cast<size_t>(chosen)];
}

std::optional<SpecId> StageProblem::layout(const std::vector<int>& choice,
                                           ir::ValueId value) const {
  const auto found = layouts_.find(value);
  if (found == layouts_.end()) return std::nullopt;
  const auto chosen = choice[static_cast<size_t>(found->second.variable)];
  return found->second.specs[static_cast<size_t>(chosen)];
}

SpecId StageProblem::stored_spec(const std::vector<int>& choice, ir::ValueId value) const {
  if (const auto spec = layout(choice, value)) return *spec;
  const std::vector<Use> readers = uses_of(value).readers;
  CHECK(readers.size() == 1, "a stored value without layout has one reader");
  return space_.without_partials(
      option(choice, readers[0].node).inputs[static_cast<size_t>(readers[0].slot)]);
}

}  // namespace partita::planner
