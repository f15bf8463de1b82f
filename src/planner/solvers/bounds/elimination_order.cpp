// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/bounds/elimination_order.h"

#include <algorithm>

namespace partita::planner {

EliminationOrder::EliminationOrder(const Network& network)
    : network_(network), neighbours_(network.nodes.size()), size_(network.nodes.size(), -1) {
  for (const Network::Edge& edge : network.edges) {
    if (!edge.is_alive) continue;
    neighbours_[static_cast<size_t>(edge.first)].insert(edge.second);
    neighbours_[static_cast<size_t>(edge.second)].insert(edge.first);
  }
  for (const int node : network.living_nodes()) update(node);
}

void EliminationOrder::update(int node) {
  double& size = size_[static_cast<size_t>(node)];
  if (size >= 0) queue_.erase({size, node});
  size = network_.node(node).options();
  for (const int other : neighbours_[static_cast<size_t>(node)]) {
    // Beyond that the order hardly matters, and the product must stay finite.
    size = std::min(size * network_.node(other).options(), 1e30);
  }
  queue_.insert({size, node});
}

std::optional<int> EliminationOrder::next(std::vector<int>& neighbours) {
  if (queue_.empty()) return std::nullopt;
  const int node = queue_.begin()->second;
  queue_.erase(queue_.begin());
  const std::set<int>& own = neighbours_[static_cast<size_t>(node)];
  neighbours.assign(own.begin(), own.end());
  for (const int neighbour : neighbours) {
    std::set<int>& others = neighbours_[static_cast<size_t>(neighbour)];
    others.erase(node);
    for (const int other : neighbours) {
      if (other != neighbour) others.insert(other);
    }
  }
  for (const int neighbour : neighbours) update(neighbour);
  return node;
}

}  // namespace partita::planner
