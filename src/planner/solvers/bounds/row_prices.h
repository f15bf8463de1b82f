// SPDX-License-Identifier: Apache-2.0
// Lagrange multipliers of memory rows.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/solvers/bounds/elimination.h"
#include "planner/solvers/reduce/network.h"

namespace partita::planner {

// The left shift of costs that makes the best use of the integers of a bound: all costs together
// stay below kDearest / 64.
[[nodiscard]] int price_shift(const Network& network);

// What a byte costs in each row, in 2^-kFractionBits of a Price. Whatever the prices are, the least
// sum of priced_nodes() and edges, less limit_price(), is a lower bound on the cost (Everett 1963);
// all roundings are to the safe side.
class RowPrices {
 public:
  static constexpr int kFractionBits = 16;

  explicit RowPrices(size_t rows) : price_(rows, 0) {}

  [[nodiscard]] double price(int row) const {
    return static_cast<double>(price_[static_cast<size_t>(row)]);
  }
  // Negative prices become 0.
  void set_price(int row, double price);
  [[nodiscard]] bool is_zero() const;

  // Cost of each option, shifted, and the price of its bytes.
  void price_nodes(const Network& network, int shift, PriceTable& result) const;
  // What the limits are worth.
  [[nodiscard]] Price limit_price(const Network& network) const;

 private:
  std::vector<int64_t> price_;
};

// Bytes of an assignment (an option per node of the network) per row.
[[nodiscard]] std::vector<int64_t> row_bytes(const Network& network,
                                             const std::vector<int>& choice);
// Cost of an assignment; kForbidden when it has a forbidden pair.
[[nodiscard]] Cost network_cost(const Network& network, const std::vector<int>& choice);
[[nodiscard]] bool fits_rows(const Network& network, const std::vector<int>& choice);

}  // namespace partita::planner
