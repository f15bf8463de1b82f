// SPDX-License-Identifier: Apache-2.0
// The solvers' own form of a problem: a graph of tables that reductions may shrink.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/solvers/solver.h"

namespace partita::planner {

// Memory that a node occupies in the rows [begin, end): bytes[i] for option i.
struct RowUsage {
  int begin = 0;
  int end = 0;
  std::vector<int64_t> bytes;
};

// A variable of the problem that a node decides: option[i] is chosen with option i of the node.
struct Member {
  int variable = 0;
  std::vector<int> option;
};

// Nodes with options, at most one edge per pair of nodes, and memory rows. A row stands for a span
// of time: in every row the bytes of all nodes may be at most its limit. What every assignment
// costs or occupies anyway is taken out: `constant` is part of the cost, and the limits are
// lowered.
struct Network {
  struct Node {
    std::vector<Cost> cost;
    std::vector<RowUsage> usages;
    std::vector<int> edges;  // living ones, in no particular order
    std::vector<Member> members;
    bool is_alive = true;
    bool has_raw_usages = false;  // not disjoint, or with a common least: see lower_limits()

    [[nodiscard]] int options() const { return static_cast<int>(cost.size()); }
  };
  // Row major; the rows are the options of `first`.
  struct Edge {
    int first = 0;
    int second = 0;
    std::vector<Cost> cost;
    bool is_alive = true;

    [[nodiscard]] int other(int node) const { return node == first ? second : first; }
  };

  std::vector<Node> nodes;
  std::vector<Edge> edges;
  std::vector<int64_t> limits;  // per row
  size_t variables = 0;         // of the problem, for original_choice()
  Cost constant = 0;
  bool is_infeasible = false;  // some node has no option left, or some limit is negative

  [[nodiscard]] Node& node(int index) { return nodes[static_cast<size_t>(index)]; }
  [[nodiscard]] const Node& node(int index) const { return nodes[static_cast<size_t>(index)]; }
  [[nodiscard]] Edge& edge(int index) { return edges[static_cast<size_t>(index)]; }
  [[nodiscard]] const Edge& edge(int index) const { return edges[static_cast<size_t>(index)]; }

  // Cost of an edge for an option of `node` and one of the other end.
  [[nodiscard]] Cost edge_cost(const Edge& edge, int node, int own, int other) const;
  // Takes the edge out of the lists of its ends.
  void remove_edge(int edge);
  // The living edge between two nodes, or -1.
  [[nodiscard]] int edge_between(int a, int b) const;
  // Adds a table (rows: options of a) to the edge between a and b, which is made when missing.
  // Returns its index.
  int add_to_edge(int a, int b, const std::vector<Cost>& table);
  // Keeps the listed options of a node (ascending): its tables, usages and members are cut down.
  void keep_options(int node, const std::vector<int>& kept);

  // The assignment of the problem's variables for one option per node. Variables without a living
  // node get option 0.
  [[nodiscard]] std::vector<int> original_choice(const std::vector<int>& choice) const;
  [[nodiscard]] std::vector<int> living_nodes() const;
};

// Sum of two costs, where kForbidden stays kForbidden.
[[nodiscard]] inline Cost add_costs(Cost a, Cost b) {
  return a >= kForbidden || b >= kForbidden ? kForbidden : a + b;
}

// Builds the network of a problem: parallel edges are merged, times become rows. Only rows are kept
// that some assignment exceeds, and of times only those when the most is alive. Costs
// O(variables * rows) at worst.
[[nodiscard]] Network make_network(const Problem& problem);

// The nodes that still have a choice, as a network of its own, whose variables are the nodes of the
// given one (the others have option 0 only).
[[nodiscard]] Network core_of(const Network& network);

// Makes the usages of a node disjoint, takes the least bytes of each out of the limits, and drops
// those without difference.
void lower_limits(Network& network, int node);

}  // namespace partita::planner
