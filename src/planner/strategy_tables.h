// SPDX-License-Identifier: Apache-2.0
// The strategies of every kind of node on a mesh, with their costs.
#pragma once

#include <vector>

#include "planner/reshard_prices.h"
#include "spec/strategy.h"

namespace partita::planner {

// One strategy of a kind of node.
struct StrategyOption {
  std::vector<int> axis_factor;
  std::vector<SpecId> inputs;
  std::vector<SpecId> outputs;
  PhaseSeconds seconds;  // of the largest local piece
  Cost cost = 0;
};

// All strategies of a kind, fewest changes first: option 0 is "all replicated" unless it was
// removed.
using StrategyTable = std::vector<StrategyOption>;

// What narrows the strategies.
struct StrategyRules {
  // Nodes that read large weights or states keep only the strategies that split them along as many
  // axes as possible: a user who asks for tp=4 wants the weights on four ranks, even where a tiny
  // model would run faster without. Weights to keep whole are the exception.
  bool shard_weights = true;
  // Off: weights to keep whole are like all others (to see what the wish costs).
  bool keep_whole = true;
  // Off: pins are not looked at.
  bool keep_pinned = true;
};

// The table of one kind; specs go into the pool of `prices`.
[[nodiscard]] StrategyTable strategies_of(const NodeKind& kind,
                                          const ReshardPrices::Context& context,
                                          const StrategyRules& rules,
                                          SpecPool& pool);

}  // namespace partita::planner
