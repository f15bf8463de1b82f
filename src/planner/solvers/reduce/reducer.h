// SPDX-License-Identifier: Apache-2.0
// Shrinks a network without losing its optimum.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <vector>

#include "planner/solvers/reduce/network.h"

namespace partita::planner {

// Repeats until nothing changes:
// - options that no feasible assignment has go out (arc consistency; memory rows);
// - what an edge costs at least per option moves to that option, so that separable edges vanish;
// - dominated options go (dominance.h);
// - a node whose option follows from each option of a neighbour becomes part of that neighbour
//   (follow.h).
// Exact: with memory rows the rules only apply less often.
// Costs O(nodes * options^2 * neighbours' options) per round, mostly one or two rounds.
class Reducer {
 public:
  // Options that cost `cutoff` or more by themselves count as impossible.
  explicit Reducer(Network& network, Cost cutoff = kForbidden);
  void run();

 private:
  void reduce_node(int node);
  [[nodiscard]] bool drop_impossible(int node);
  void normalise_edges(int node);
  [[nodiscard]] bool absorb_followers(int node);
  void keep(int node, const std::vector<int>& kept);
  [[nodiscard]] std::optional<int> pop();
  void push(int node);
  void push_neighbours(int node);

  Network& network_;
  Cost cutoff_;
  // Nodes to look at again, by the logarithm of their degree: hubs come last, when most of their
  // neighbours are gone.
  std::array<std::deque<int>, 32> queues_;
  std::vector<bool> is_queued_;
  int64_t least_limit_ = 0;  // of all rows, at the start
};

}  // namespace partita::planner
