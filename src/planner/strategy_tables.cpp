// SPDX-License-Identifier: Apache-2.0
#include "planner/strategy_tables.h"

#include <algorithm>

#include "cost/op_cost.h"
#include "ops/op.h"
#include "planner/pins/keep_pinned.h"
#include "planner/stored.h"

namespace partita::planner {
namespace {

// Along how many mesh axes each tensor that shall be sharded is split, summed over these tensors:
// an axis that splits only one of three weights leaves the other two whole on every rank.
int sharded_axes(const spec::Strategy& strategy, const NodeKind& kind) {
  int count = 0;
  for (size_t i = 0; i < kind.shard_input.size(); ++i) {
    if (!kind.shard_input[i]) continue;
    for (const spec::DimSpec& dim : strategy.inputs[i].dims) {
      count += static_cast<int>(dim.axes.size());
    }
  }
  return count;
}

// Keeps the strategies with the most (or, for weights that stay whole, the fewest) sharded axes
// that pins have left.
void keep_by_sharding(const NodeKind& kind,
                      bool keeps_whole,
                      std::vector<spec::Strategy>& strategies) {
  std::vector<int> counts;
  for (const spec::Strategy& strategy : strategies) counts.push_back(sharded_axes(strategy, kind));
  const auto [fewest, most] = std::minmax_element(counts.begin(), counts.end());
  const int wanted = keeps_whole ? *fewest : *most;
  std::vector<spec::Strategy> kept;
  for (size_t i = 0; i < strategies.size(); ++i) {
    if (counts[i] == wanted) kept.push_back(std::move(strategies[i]));
  }
  strategies = std::move(kept);
}

struct PricedPhases {
  const cost::PricedCall& call;
  const cost::Work& decode;
  const cost::Work& prefill;
};

PhaseSeconds seconds_on(const PricedPhases& priced,
                        const spec::Strategy& strategy,
                        const cost::Device& device,
                        const ReshardPrices::Context& context) {
  const auto seconds = [&](const cost::Work& whole, const ir::SymbolSizes& symbols) {
    return cost::seconds_of(cost::local_work(priced.call, whole, strategy, symbols), device,
                            context.surroundings);
  };
  return {seconds(priced.decode, context.phases.decode),
          seconds(priced.prefill, context.phases.prefill)};
}

// Of the slowest rank: where devices are unlike, each kind with the largest piece that it has.
PhaseSeconds slowest_seconds(const PricedPhases& priced,
                             const spec::Strategy& strategy,
                             const ReshardPrices::Context& context) {
  if (context.group == nullptr) {
    return seconds_on(priced, strategy, context.profile.device, context);
  }
  PhaseSeconds slowest;
  for (size_t kind = 0; kind < context.group->kinds.size(); ++kind) {
    const spec::Strategy own =
        restricted_to(strategy, *context.group, context.mesh, static_cast<int>(kind));
    const PhaseSeconds seconds = seconds_on(priced, own, context.group->kinds[kind], context);
    slowest = {std::max(slowest.decode, seconds.decode),
               std::max(slowest.prefill, seconds.prefill)};
  }
  return slowest;
}

bool is_whole(const spec::TensorSpec& spec) {
  return spec.partials.empty() &&
         std::ranges::all_of(spec.dims, [](const auto& dim) { return dim.axes.empty(); });
}

// An addition of whole values runs within the norm behind it: instead of the reduced term and the
// sum, which are neither written nor read back, the residual is read and the sum written, so that
// the collective and the norm alone cost as much. One rank has no collective to spare. An
// activation runs within the product behind it, which is priced as `gated`.
bool is_free(const NodeKind& kind, const spec::Strategy& strategy, const spec::Mesh& mesh) {
  if (kind.joins_product) return true;
  return kind.joins_norm && mesh.size() > 1 && is_whole(strategy.outputs.front());
}

StrategyTable priced_table(const NodeKind& kind,
                           const ReshardPrices::Context& context,
                           const std::vector<spec::Strategy>& strategies,
                           SpecPool& pool) {
  const ir::Graph& graph = context.facts.graph();
  const ir::Node& node = graph.node(kind.example);
  std::vector<ir::TensorType> inputs;
  std::vector<ir::TensorType> outputs;
  for (const ir::ValueId input : node.inputs) inputs.push_back(graph.value(input).type);
  for (const ir::ValueId output : node.outputs) outputs.push_back(graph.value(output).type);
  ir::Attributes gated;
  if (!kind.activation.empty()) gated.set("activation", kind.activation);
  const ops::OpCall call = kind.activation.empty() ? ops::OpCall{node.op, node.attributes, inputs}
                                                   : ops::OpCall{"gated", gated, inputs};
  cost::PricedCall priced = {call, outputs, kind.notation};
  for (const ir::ValueId input : node.inputs) {
    priced.is_stored.push_back(is_stored(graph.value(input)));
  }
  const cost::Work decode = cost::whole_work(priced.call, context.phases.decode);
  const cost::Work prefill = cost::whole_work(priced.call, context.phases.prefill);
  StrategyTable table;
  for (const spec::Strategy& strategy : strategies) {
    StrategyOption& option = table.emplace_back();
    option.axis_factor = strategy.axis_factor;
    for (const auto& spec : strategy.inputs) option.inputs.push_back(pool.id_of(spec));
    for (const auto& spec : strategy.outputs) option.outputs.push_back(pool.id_of(spec));
    if (!is_free(kind, strategy, context.mesh)) {
      option.seconds = slowest_seconds({priced, decode, prefill}, strategy, context);
    }
    option.cost = context.phases.cost(option.seconds);
  }
  return table;
}

}  // namespace

StrategyTable strategies_of(const NodeKind& kind,
                            const ReshardPrices::Context& context,
                            const StrategyRules& rules,
                            SpecPool& pool) {
  const auto pieces = [&](int factor, std::span<const int> axes) {
    std::vector<int64_t> sizes;
    for (const int axis : axes)
      sizes.push_back(context.mesh.axes()[static_cast<size_t>(axis)].size);
    const std::vector<double> shares = context.group == nullptr
                                           ? std::vector<double>()
                                           : context.group->shares_of(context.mesh, axes);
    return pieces_of(kind.factor_cuts[static_cast<size_t>(factor)], sizes, shares);
  };
  std::vector<spec::Strategy> strategies =
      spec::derive_strategies(kind.notation, context.mesh, pieces);
  if (rules.keep_pinned) {
    keep_pinned({context.facts, kind.example, context.mesh}, strategies);
  }
  const bool keeps_whole = rules.keep_whole && kind.keep_whole;
  if (rules.shard_weights || keeps_whole) keep_by_sharding(kind, keeps_whole, strategies);
  return priced_table(kind, context, strategies, pool);
}

}  // namespace partita::planner
