// SPDX-License-Identifier: Apache-2.0
// Bytes of stored values over runs of nodes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "planner/graph_facts.h"
#include "support/range.h"

namespace partita::planner {

// What consecutive nodes read of weights and states, each value once. Thread-safe after finish().
class RangeBytes {
 public:
  explicit RangeBytes(int nodes) : before_(static_cast<size_t>(nodes) + 1, 0) {}

  // A value of so many bytes with these readers, in execution order.
  void add(std::span<const Use> uses, int64_t bytes);
  // No more values.
  void finish();

  // O(values with several readers).
  [[nodiscard]] int64_t of(Range nodes) const;
  [[nodiscard]] int64_t total() const { return of({0, static_cast<int64_t>(before_.size()) - 1}); }

 private:
  struct SharedRead {
    int64_t first = 0;
    int64_t second = 0;  // the next node that reads the same value
    int64_t bytes = 0;
  };
  std::vector<int64_t> before_;  // sums over the nodes before each
  std::vector<SharedRead> shared_;
};

// The whole values of a graph: its weights, and with `states` its KV caches at their largest.
[[nodiscard]] RangeBytes whole_bytes(const GraphFacts& facts,
                                     const ir::SymbolSizes& largest,
                                     bool states);

}  // namespace partita::planner
