// SPDX-License-Identifier: Apache-2.0
// A lower bound for networks too wide for elimination.
#pragma once

#include <vector>

#include "planner/solvers/bounds/elimination.h"

namespace partita::planner {

// Sequential message passing (TRW-S: Kolmogorov 2006, in the form of SRMP: Kolmogorov 2015): prices
// move between nodes and edges, never changing the sum of any assignment, such that the sum of all
// minima rises. All moves are of integers, so the bound is exact. The network must be reduced: no
// option may be forbidden. Copies what it needs; node indices stay those of the network.
class MessagePassing {
 public:
  MessagePassing(const Network& network, int shift);

  // Changes the prices of nodes; what was moved between nodes and edges before stays.
  void set_prices(const PriceTable& prices);
  // Passes over all nodes and back; costs four times the entries of all edges. Returns the bound,
  // which never falls while the prices stay.
  Price sweep();
  // A lower bound per node and option on the sum of every assignment that has it.
  void marginals(PriceTable& result) const;
  // An assignment, node by node what is cheapest given the nodes before; an entry per node.
  void choose(std::vector<int>& choice) const;

  // Table entries that one sweep looks at.
  [[nodiscard]] int64_t work() const;

 private:
  struct Edge {
    int first = 0;  // position of its ends; first < second
    int second = 0;
    std::vector<Price> cost;        // row major: rows are the options of the first
    std::vector<Price> from_first;  // what was moved to the edge, per option of its ends
    std::vector<Price> from_second;
  };
  struct Node {
    int index = 0;  // in the network
    std::vector<Price> given;
    std::vector<Price> price;  // what is left of the given price, and what came from edges
    std::vector<int> before;   // edges to nodes earlier in the order
    std::vector<int> after;
  };
  void visit(Node& node, bool is_forward);
  // The least price of the edge per option of one of its ends.
  void least(const Edge& edge, bool of_first, std::vector<Price>& result) const;
  void pull(Node& node);
  void push(Node& node, const std::vector<int>& edges);

  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
  std::vector<Price> buffer_;
  Price bound_ = 0;
};

}  // namespace partita::planner
