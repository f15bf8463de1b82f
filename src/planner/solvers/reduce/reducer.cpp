// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/reduce/reducer.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "planner/solvers/reduce/dominance.h"
#include "planner/solvers/reduce/follow.h"

namespace partita::planner {
namespace {

// What the edge costs at least with each option of the node.
std::vector<Cost> least_costs(const Network& network, int node, int edge_index) {
  const Network::Edge& edge = network.edge(edge_index);
  const int own = network.node(node).options();
  const auto others = static_cast<size_t>(network.node(edge.other(node)).options());
  std::vector<Cost> least(static_cast<size_t>(own), kForbidden);
  if (edge.first == node) {
    for (size_t i = 0; i < least.size(); ++i) {
      const auto row = edge.cost.begin() + static_cast<std::ptrdiff_t>(i * others);
      least[i] = *std::min_element(row, row + static_cast<std::ptrdiff_t>(others));
    }
    return least;
  }
  for (size_t i = 0; i < edge.cost.size(); ++i) {
    Cost& of_column = least[i % least.size()];
    of_column = std::min(of_column, edge.cost[i]);
  }
  return least;
}

void subtract(Network& network, int node, int edge_index, const std::vector<Cost>& least) {
  Network::Edge& edge = network.edge(edge_index);
  const auto columns = static_cast<size_t>(network.node(edge.second).options());
  for (size_t i = 0; i < edge.cost.size(); ++i) {
    const size_t own = edge.first == node ? i / columns : i % columns;
    if (edge.cost[i] < kForbidden) edge.cost[i] -= least[own];
  }
  for (size_t i = 0; i < least.size(); ++i) {
    Cost& cost = network.node(node).cost[i];
    cost = add_costs(cost, least[i]);
  }
}

}  // namespace

Reducer::Reducer(Network& network, Cost cutoff)
    : network_(network),
      cutoff_(cutoff),
      is_queued_(network.nodes.size(), false),
      least_limit_(std::numeric_limits<int64_t>::max()) {
  for (const int64_t limit : network.limits) least_limit_ = std::min(least_limit_, limit);
}

void Reducer::run() {
  for (const int node : network_.living_nodes()) push(node);
  while (!network_.is_infeasible) {
    const std::optional<int> node = pop();
    if (!node) return;
    if (network_.node(*node).is_alive) reduce_node(*node);
  }
}

void Reducer::reduce_node(int node) {
  if (network_.node(node).has_raw_usages) lower_limits(network_, node);
  normalise_edges(node);
  if (drop_impossible(node)) push_neighbours(node);
  if (network_.is_infeasible) return;
  const std::vector<int> kept = undominated_options(network_, node);
  if (static_cast<int>(kept.size()) < network_.node(node).options()) {
    keep(node, kept);
    push_neighbours(node);
    push(node);
    return;
  }
  Network::Node& reduced = network_.node(node);
  const Cost least = *std::min_element(reduced.cost.begin(), reduced.cost.end());
  for (Cost& cost : reduced.cost) cost -= least;
  network_.constant += least;
  if (absorb_followers(node)) {
    push(node);
    push_neighbours(node);
  }
}

void Reducer::keep(int node, const std::vector<int>& kept) {
  network_.keep_options(node, kept);
  if (!kept.empty()) lower_limits(network_, node);
}

bool Reducer::drop_impossible(int index) {
  const Network::Node& node = network_.node(index);
  std::vector<bool> is_possible(node.cost.size());
  for (size_t i = 0; i < node.cost.size(); ++i) {
    is_possible[i] = add_costs(node.cost[i], network_.constant) < cutoff_;
  }
  for (const RowUsage& usage : node.usages) {
    if (*std::max_element(usage.bytes.begin(), usage.bytes.end()) <= least_limit_) continue;
    const int64_t limit = *std::min_element(network_.limits.begin() + usage.begin,
                                            network_.limits.begin() + usage.end);
    for (size_t i = 0; i < usage.bytes.size(); ++i) {
      if (usage.bytes[i] > limit) is_possible[i] = false;
    }
  }
  std::vector<int> kept;
  for (size_t i = 0; i < is_possible.size(); ++i) {
    if (is_possible[i]) kept.push_back(static_cast<int>(i));
  }
  if (kept.size() == is_possible.size()) return false;
  keep(index, kept);
  return true;
}

// Both ends, so that an edge whose table is a sum of a row and a column ends up empty.
void Reducer::normalise_edges(int node) {
  const std::vector<int> edges = network_.node(node).edges;
  for (const int index : edges) {
    const int other = network_.edge(index).other(node);
    for (const int end : {other, node}) {
      const std::vector<Cost> least = least_costs(network_, end, index);
      if (std::all_of(least.begin(), least.end(), [](Cost cost) { return cost == 0; })) continue;
      subtract(network_, end, index, least);
      const bool is_forbidden = *std::max_element(least.begin(), least.end()) >= kForbidden;
      if (is_forbidden && end == other) push(other);
    }
    const std::vector<Cost>& table = network_.edge(index).cost;
    if (std::all_of(table.begin(), table.end(), [](Cost cost) { return cost == 0; })) {
      network_.remove_edge(index);
      push(other);
    }
  }
}

bool Reducer::absorb_followers(int node) {
  bool changed = false;
  const std::vector<int> edges = network_.node(node).edges;
  for (const int index : edges) {
    if (!network_.edge(index).is_alive) continue;
    const std::vector<int> followed = followed_options(network_, node, index);
    if (followed.empty()) continue;
    // Of two that follow from each other the one with fewer edges moves.
    const int other = network_.edge(index).other(node);
    if (network_.node(other).edges.size() > network_.node(node).edges.size()) {
      const std::vector<int> reverse = followed_options(network_, other, index);
      if (!reverse.empty()) {
        absorb(network_, other, index, reverse);
        push(other);
        push_neighbours(other);
        return false;
      }
    }
    absorb(network_, node, index, followed);
    changed = true;
  }
  return changed;
}

std::optional<int> Reducer::pop() {
  for (std::deque<int>& queue : queues_) {
    if (queue.empty()) continue;
    const int node = queue.front();
    queue.pop_front();
    is_queued_[static_cast<size_t>(node)] = false;
    return node;
  }
  return std::nullopt;
}

void Reducer::push(int node) {
  if (is_queued_[static_cast<size_t>(node)]) return;
  is_queued_[static_cast<size_t>(node)] = true;
  const size_t degree = network_.node(node).edges.size();
  queues_[static_cast<size_t>(std::bit_width(degree))].push_back(node);
}

void Reducer::push_neighbours(int node) {
  for (const int index : network_.node(node).edges) push(network_.edge(index).other(node));
}

}  // namespace partita::planner
