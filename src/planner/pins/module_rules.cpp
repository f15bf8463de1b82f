// SPDX-License-Identifier: Apache-2.0
#include "planner/pins/module_rules.h"

#include <algorithm>

#include "support/error.h"

namespace partita::planner {

void ModulePins::add_parameter(const ModuleParameter& parameter,
                               const ModuleRule& rule,
                               const RuleSource& source) {
  if (rule.weight == ModuleRule::Weight::kFree) return;
  for (const ir::ValueId weight : parameter.weights) {
    const auto rank = modules_.rank_of(weight, parameter.tensor);
    const bool is_vector = rank == 1;
    if (rule.weight == ModuleRule::Weight::kWhole || (is_vector && !rule.cuts_vectors)) {
      add_whole(weight, source);
      continue;
    }
    const auto spec = modules_.cut_spec(weight, parameter.tensor, is_vector ? 0 : rule.dim);
    if (!spec) {
      throw Error(
          ErrorCode::kInvalidArgument,
          str("[pins] ", source.text, " cuts dim ", rule.dim, " of tensor ", parameter.tensor,
              ", which ", rank ? str("has ", *rank, " dims") : "the graph reshapes", " (weight ",
              graph_.value(weight).name, ")"));
    }
    add(weight, *spec, source);
  }
}

void ModulePins::add_output(const std::vector<ir::ValueId>& weights,
                            const ModuleRule& rule,
                            const RuleSource& source) {
  if (rule.output == ModuleRule::Output::kFree) return;
  std::vector<ir::NodeId> nodes;
  for (const ir::ValueId weight : weights) {
    const auto& readers = modules_.readers(weight);
    nodes.insert(nodes.end(), readers.begin(), readers.end());
  }
  if (nodes.empty()) return;
  if (!rule.sums_first) nodes = {*std::max_element(nodes.begin(), nodes.end())};
  for (const ir::NodeId node : nodes) {
    const ir::ValueId output = graph_.node(node).outputs.front();
    add(output, modules_.whole_spec(output), source);
  }
}

void ModulePins::add_whole(ir::ValueId weight, const RuleSource& source) {
  add(weight, modules_.whole_spec(weight), source);
}

void ModulePins::add(ir::ValueId value, std::string spec, const RuleSource& source) {
  const std::string& name = graph_.value(value).name;
  if (!known_.emplace(name, spec).second) return;
  pins_.push_back({name, std::move(spec), source.text, source.level});
}

}  // namespace partita::planner
