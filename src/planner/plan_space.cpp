// SPDX-License-Identifier: Apache-2.0
#include "planner/plan_space.h"

#include "cost/memory.h"

namespace partita::planner {
namespace {

// All ranks of a stage work at once, and each reads its share of all weights and caches.
ReshardPrices::Context with_surroundings(ReshardPrices::Context context) {
  double stored_bytes = 0;
  for (const ir::Value& value : context.facts.graph().values()) {
    if (value.kind != ir::ValueKind::kWeight && value.kind != ir::ValueKind::kState) continue;
    stored_bytes += static_cast<double>(value.type.bytes(context.phases.largest));
  }
  context.surroundings = {context.mesh.size(),
                          stored_bytes / static_cast<double>(context.mesh.size())};
  return context;
}

}  // namespace

PlanSpace::PlanSpace(const ReshardPrices::Context& context, const StrategyRules& rules)
    : context_(with_surroundings(context)), prices_(context_) {
  for (const NodeKind& kind : context.facts.kinds()) {
    tables_.push_back(strategies_of(kind, context_, rules, prices_.pool()));
  }
}

StrategyTable PlanSpace::all_strategies(ir::NodeId node) {
  const NodeKind& kind = facts().kinds()[static_cast<size_t>(facts().kind_of(node))];
  return strategies_of(kind, context_, {.shard_weights = false, .keep_whole = false},
                       prices_.pool());
}

SpecId PlanSpace::replicated(ir::ValueId value) {
  const auto rank = static_cast<int>(graph().value(value).type.dims.size());
  return prices_.pool().id_of(spec::TensorSpec::replicated(rank));
}

int64_t PlanSpace::largest_bytes(SpecId id, ir::ValueId value) {
  const int type = facts().type_of(value);
  const auto [found, is_new] = bytes_.try_emplace({id, type}, 0);
  if (is_new) {
    found->second = cost::largest_local_bytes(facts().type(type), spec(id), phases().largest);
  }
  return found->second;
}

}  // namespace partita::planner
