// SPDX-License-Identifier: Apache-2.0
// What a choice of strategies is worth, computed from the instance alone: shares no code with the
// solvers, so that it can prove them wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "planner/iopddl.h"

namespace partita::planner {

struct IopddlScore {
  std::optional<int64_t> cost;  // empty when an infinite cost is chosen
  int64_t peak_usage = 0;       // the largest sum of usages of live nodes at any time
  bool is_feasible = false;     // the cost is finite and the peak within the limit
};

// `choice` has one strategy per node; one that does not exist throws kInvalidArgument.
[[nodiscard]] IopddlScore score(const IopddlInstance& instance, const std::vector<int>& choice);

}  // namespace partita::planner
