// SPDX-License-Identifier: Apache-2.0
#include "planner/plan_space.h"

#include <algorithm>
#include <cmath>

#include "cost/memory.h"
#include "planner/pins/keep_pinned.h"

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

int64_t memory_of(const cost::Device& device) { return device.memory_bytes - device.reserve_bytes; }

}  // namespace

PlanSpace::PlanSpace(const ReshardPrices::Context& context, const StrategyRules& rules)
    : context_(with_surroundings(context)), prices_(context_) {
  for (const NodeKind& kind : context.facts.kinds()) {
    tables_.push_back(strategies_of(kind, context_, rules, prices_.pool()));
  }
  for (int64_t cell = 0; cell < context.mesh.size(); ++cell) {
    largest_memory_ = std::max(largest_memory_, memory_of(device_of(cell)));
  }
}

StrategyTable PlanSpace::all_strategies(ir::NodeId node) {
  const NodeKind& kind = facts().kinds()[static_cast<size_t>(facts().kind_of(node))];
  return strategies_of(kind, context_,
                       {.shard_weights = false, .keep_whole = false, .keep_pinned = false},
                       prices_.pool());
}

SpecId PlanSpace::replicated(ir::ValueId value) {
  const auto rank = static_cast<int>(graph().value(value).type.dims.size());
  return prices_.pool().id_of(spec::TensorSpec::replicated(rank));
}

void PlanSpace::keep_pinned_specs(ir::ValueId value, std::vector<SpecId>& specs) {
  if (facts().pins().stored_pins(value).empty()) return;
  std::vector<spec::TensorSpec> candidates;
  for (const SpecId id : specs) candidates.push_back(spec(id));
  stored_sources_[value] = planner::keep_pinned_specs(facts(), value, mesh(), candidates);
  specs.clear();
  for (const spec::TensorSpec& candidate : candidates) {
    specs.push_back(prices_.pool().id_of(candidate));
  }
}

std::string PlanSpace::source_of_option(ir::NodeId node, const StrategyOption& option) {
  if (facts().pins().conditions_of(node).empty()) return {};
  std::vector<spec::TensorSpec> inputs;
  for (const SpecId id : option.inputs) inputs.push_back(spec(id));
  return source_of_strategy({facts(), node, mesh()}, option.axis_factor, inputs);
}

const std::string& PlanSpace::source_of_stored(ir::ValueId value) { return stored_sources_[value]; }

SpecId PlanSpace::without_partials(SpecId id) {
  if (spec(id).partials.empty()) return id;
  return prices_.pool().id_of({spec(id).dims, {}});
}

int64_t PlanSpace::largest_bytes(SpecId id, ir::ValueId value) {
  const int type = facts().type_of(value);
  const auto [found, is_new] = bytes_.try_emplace({id, type}, 0);
  if (is_new) {
    found->second = cost::largest_local_bytes(facts().type(type), spec(id), phases().largest);
  }
  return found->second;
}

int64_t PlanSpace::bounded_bytes(SpecId id, ir::ValueId value) {
  if (context_.group == nullptr) return largest_bytes(id, value);
  const int type = facts().type_of(value);
  const auto [found, is_new] = bounded_bytes_.try_emplace({id, type}, 0);
  for (int64_t cell = 0; is_new && cell < mesh().size(); ++cell) {
    const int64_t bytes =
        cost::local_bytes(facts().type(type), spec(id), mesh(), cell, phases().largest);
    found->second = std::max(found->second, as_bounded(bytes, cell));
  }
  return found->second;
}

int64_t PlanSpace::as_bounded(int64_t bytes, int64_t cell) const {
  const int64_t memory = std::max<int64_t>(1, memory_of(device_of(cell)));
  if (memory >= largest_memory_) return bytes;
  // Both are below 2^50, their product is not; what is lost is below a byte in a petabyte.
  return static_cast<int64_t>(
      std::ceil(static_cast<double>(bytes) *
                (static_cast<double>(largest_memory_) / static_cast<double>(memory))));
}

int64_t PlanSpace::bound_beside(int64_t used) const {
  int64_t bound = largest_memory_;
  for (int64_t cell = 0; cell < mesh().size(); ++cell) {
    bound = std::min(bound, largest_memory_ - as_bounded(used, cell));
  }
  return bound;
}

}  // namespace partita::planner
