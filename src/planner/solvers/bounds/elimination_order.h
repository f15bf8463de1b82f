// SPDX-License-Identifier: Apache-2.0
// In which order nodes are eliminated.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "planner/solvers/reduce/network.h"

namespace partita::planner {

// Greedy: the node whose joint table with its neighbours is smallest goes next, and joins its
// neighbours with each other; ties by index.
class EliminationOrder {
 public:
  explicit EliminationOrder(const Network& network);

  // The next node and the neighbours it has then; nothing after the last.
  [[nodiscard]] std::optional<int> next(std::vector<int>& neighbours);

 private:
  void update(int node);

  const Network& network_;
  std::vector<std::set<int>> neighbours_;
  std::vector<double> size_;                // per node: of its joint table
  std::set<std::pair<double, int>> queue_;  // (size, node)
};

}  // namespace partita::planner
