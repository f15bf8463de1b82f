// SPDX-License-Identifier: Apache-2.0
// Branch and bound on networks.
#pragma once

#include <functional>
#include <vector>

#include "planner/solvers/bounds/dual_ascent.h"
#include "planner/solvers/search/incumbent.h"

namespace partita::planner {

struct TreeLimits {
  const Deadline& deadline;
  int64_t max_work = 0;     // table entries looked at; the root is always finished
  int64_t max_entries = 0;  // of elimination tables in the tree
  int root_steps = 400;     // of dual ascent
  int steps = 40;
};

// Depth first; every tree node is reduced, bounded by the relaxation with prices of memory (which
// start from its parent's), and loses the options that the bound excludes (reduced cost fixing),
// until little changes. Branches on the node whose second-best option is furthest from its best.
// The incumbent is improved on the way.
class TreeSearch {
 public:
  TreeSearch(Incumbent& incumbent, const TreeLimits& limits)
      : incumbent_(incumbent), limits_(limits) {}

  // Searches all assignments of the network that are better than the incumbent. Returns a lower
  // bound on them: at least the incumbent's cost when the search was complete.
  Cost run(Network network);

  [[nodiscard]] const RowPrices& root_prices() const { return root_prices_; }

 private:
  struct Branch {
    Network network;
    RowPrices prices;
    Cost bound = 0;
  };
  // Bounds one branch and either finishes it or pushes two.
  void expand(Branch branch, bool is_root);
  // Whether anything better than the incumbent may be left.
  [[nodiscard]] bool tightened(Branch& branch, bool is_root);
  [[nodiscard]] bool reduced(Branch& branch);
  [[nodiscard]] int drop_excluded(Network& network);
  void split(Branch branch);
  Cost visit(const Network& network, const std::vector<int>& choice);

  Incumbent& incumbent_;
  const TreeLimits& limits_;
  std::vector<Branch> open_;
  std::vector<std::vector<Cost>> marginals_;
  RowPrices root_prices_{0};
  int64_t work_ = 0;
};

}  // namespace partita::planner
