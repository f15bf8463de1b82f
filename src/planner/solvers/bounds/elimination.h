// SPDX-License-Identifier: Apache-2.0
// Bucket elimination on a network, without its memory rows: the exact minimum, fast enough to be
// repeated for many prices of memory.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/solvers/reduce/network.h"

namespace partita::planner {

// Costs in the finer unit of a bound: a cost times 2^shift, plus the price of memory. Real sums
// stay below kDearest / 2; kDearest itself means forbidden, and 32 of them can be added.
using Price = int64_t;
inline constexpr Price kDearest = int64_t{1} << 58;

// Per node of the network and option.
using PriceTable = std::vector<std::vector<Price>>;

// The elimination order (smallest joint table first) and its tables (Dechter 1999). Copies what it
// needs of the network's edges, whose indices and node indices stay those of the network.
class Elimination {
 public:
  struct Options {
    int shift = 0;                           // of the costs of edges
    int64_t max_entries = int64_t{1} << 24;  // of all tables together
  };
  Elimination(const Network& network, Options options);

  // Whether the tables stay below the limit; else no pass may be run.
  [[nodiscard]] bool fits() const { return fits_; }
  // Table entries that one pass computes.
  [[nodiscard]] int64_t work() const { return work_; }

  // The least sum of node and edge prices; >= kDearest when there is no assignment.
  Price minimum(const PriceTable& prices);
  // The assignment behind the last minimum(); an entry per node of the network.
  void choose(const PriceTable& prices, std::vector<int>& choice) const;
  // Per node and option the least sum over all assignments that have it. After minimum() for the
  // same prices. Costs about three times as much.
  void marginals(const PriceTable& prices, PriceTable& result);

 private:
  // A table over a bucket's node (which varies fastest) and some nodes of its scope. Offsets follow
  // the digits of the scope with the given strides.
  struct Function {
    bool is_message = false;
    int source = 0;                // bucket of the message, or index into edge_tables_
    std::vector<int64_t> strides;  // per scope position
  };
  // One eliminated node, with the neighbours it had then, the one that is eliminated last first.
  struct Bucket {
    int node = 0;
    int options = 0;
    std::vector<int> scope;
    std::vector<int> scope_options;
    int64_t scope_size = 1;
    std::vector<Function> functions;
  };
  class Walk;

  void order_nodes(const Network& network, Options options);
  void add_bucket(const Network& network, int node, std::vector<int> scope);
  void connect(const Network& network, int shift);
  void add_edge_function(const Network& network, const Network::Edge& edge, int shift);
  void add_message_function(size_t bucket);
  [[nodiscard]] const Price* table_of(const Function& function) const;
  // Sum of all functions of the bucket at one place, per option.
  void add_functions(const Bucket& bucket,
                     const std::vector<int64_t>& offsets,
                     std::vector<Price>& sum) const;
  void send_outside(size_t bucket, const PriceTable& prices, std::vector<Price>& marginal);

  std::vector<Bucket> buckets_;
  std::vector<int> position_;  // per node of the network: its bucket
  std::vector<std::vector<Price>> edge_tables_;
  std::vector<std::vector<Price>> messages_;  // per bucket
  std::vector<std::vector<Price>> outside_;   // per bucket, during marginals()
  int64_t work_ = 0;
  bool fits_ = true;
};

}  // namespace partita::planner
