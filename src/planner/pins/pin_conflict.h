// SPDX-License-Identifier: Apache-2.0
// Which pins contradict each other, when together they leave no plan.
#pragma once

#include <string>
#include <vector>

#include "planner/reshard_prices.h"
#include "support/range.h"

namespace partita::planner {

struct PinConflict {
  const GraphFacts& facts;
  const std::vector<std::string>& keep_whole;
  ReshardPrices::Context context;
  Range nodes;  // of the stage without a plan
};

// Searches a smallest set of pins (those of one source go together) that leave no plan: drops one
// after the other as long as there is none. Throws kInvalidArgument naming them, and the tensor at
// which they meet when it is one.
[[noreturn]] void throw_conflict(const PinConflict& conflict);

}  // namespace partita::planner
