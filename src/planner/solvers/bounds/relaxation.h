// SPDX-License-Identifier: Apache-2.0
// The least cost of a network when memory has a price instead of a limit.
#pragma once

#include <optional>
#include <vector>

#include "planner/solvers/bounds/elimination.h"
#include "planner/solvers/bounds/message_passing.h"
#include "planner/solvers/bounds/row_prices.h"

namespace partita::planner {

// Exact by elimination where its tables are small; else a bound by message passing, which gets
// better with every call. Copies what it needs of the network, but is given it again for its node
// costs, which must not have changed.
class Relaxation {
 public:
  // Tables of elimination may hold so many entries.
  Relaxation(const Network& network, int64_t max_entries);

  [[nodiscard]] bool is_exact() const { return elimination_.has_value(); }

  // The lower bound on the cost of all assignments that fit the rows; kForbidden when there are
  // none. `sweeps` only matters when it is not exact.
  Cost bound(const Network& network, const RowPrices& prices, int sweeps);
  // Of the last bound() with the same prices: an assignment close to the minimum (at it when
  // exact).
  void choose(std::vector<int>& choice) const;
  // Of the last bound(): per node and option a lower bound on the cost of every fitting assignment
  // that has it.
  void marginals(const Network& network, std::vector<std::vector<Cost>>& result);

  // Table entries that a bound() looks at.
  [[nodiscard]] int64_t work(int sweeps) const;
  // One unit of cost in those of RowPrices.
  [[nodiscard]] double unit() const;

 private:
  [[nodiscard]] Cost cost_of(Price price, Cost constant) const;

  int shift_ = 0;
  std::optional<Elimination> elimination_;
  std::optional<MessagePassing> messages_;
  PriceTable node_prices_;
  Price limit_price_ = 0;
};

}  // namespace partita::planner
