// SPDX-License-Identifier: Apache-2.0
// Finds prices of memory that make the relaxation's bound high.
#pragma once

#include <functional>
#include <vector>

#include "planner/solvers/bounds/relaxation.h"

namespace partita::planner {

struct AscentLimits {
  int steps = 100;
  int sweeps = 1;                 // of message passing per step
  Cost target = kForbidden;       // what an assignment costs; ends when the bound reaches it
  std::function<bool()> is_over;  // asked before every step but the first
};

// Subgradient steps with the length of Polyak (1969), damped when the bound stalls. Only rows that
// some assignment on the way exceeded most have a price: most rows never bind.
class DualAscent {
 public:
  // Sees the assignments on the way (an option per node); returns the cost of the best that is
  // known, kForbidden when none is.
  using Visit = std::function<Cost(const std::vector<int>& choice)>;

  DualAscent(const Network& network, Relaxation& relaxation, RowPrices& prices);

  // Raises the bound; leaves the best prices found in `prices` and returns their bound.
  Cost run(const AscentLimits& limits, const Visit& visit);

 private:
  void activate(const std::vector<int64_t>& bytes);
  void step(const std::vector<int64_t>& bytes, double missing);

  const Network& network_;
  Relaxation& relaxation_;
  RowPrices& prices_;
  std::vector<int> active_;        // rows
  std::vector<double> direction_;  // per active row
  double pace_ = 1;
};

}  // namespace partita::planner
