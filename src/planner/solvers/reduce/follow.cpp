// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/reduce/follow.h"

#include <algorithm>

namespace partita::planner {
namespace {

// The only option that is possible with an option of the node, or -1.
int only_option(const Network& network, int node, const Network::Edge& edge, int own) {
  const int others = network.node(edge.other(node)).options();
  int only = -1;
  for (int other = 0; other < others; ++other) {
    if (network.edge_cost(edge, node, own, other) >= kForbidden) continue;
    if (only >= 0) return -1;
    only = other;
  }
  return only;
}

// The option of a leaf that no other possible one beats in cost or in any usage, or -1.
int best_option(const Network& network, int node, const Network::Edge& edge, int own) {
  const Network::Node& leaf = network.node(edge.other(node));
  const auto cost_of = [&](int option) {
    return add_costs(leaf.cost[static_cast<size_t>(option)],
                     network.edge_cost(edge, node, own, option));
  };
  const auto bytes_of = [](const RowUsage& usage, int option) {
    return usage.bytes[static_cast<size_t>(option)];
  };
  const auto is_no_worse = [&](int a, int b) {
    return cost_of(a) <= cost_of(b) &&
           std::all_of(leaf.usages.begin(), leaf.usages.end(), [&](const RowUsage& usage) {
             return bytes_of(usage, a) <= bytes_of(usage, b);
           });
  };
  int best = 0;
  for (int option = 1; option < leaf.options(); ++option) {
    if (cost_of(option) < kForbidden && !is_no_worse(best, option)) best = option;
  }
  if (cost_of(best) >= kForbidden) return -1;
  for (int option = 0; option < leaf.options(); ++option) {
    if (cost_of(option) < kForbidden && !is_no_worse(best, option)) return -1;
  }
  return best;
}

void move_usages(Network& network, int node, int follower, const std::vector<int>& followed) {
  std::vector<RowUsage>& usages = network.node(node).usages;
  for (const RowUsage& usage : network.node(follower).usages) {
    RowUsage& moved = usages.emplace_back(RowUsage{usage.begin, usage.end, {}});
    for (const int option : followed)
      moved.bytes.push_back(usage.bytes[static_cast<size_t>(option)]);
  }
  Network::Node& changed = network.node(node);
  changed.has_raw_usages = changed.has_raw_usages || !network.node(follower).usages.empty();
}

void move_members(Network::Node& node, Network::Node& follower, const std::vector<int>& followed) {
  for (const Member& member : follower.members) {
    Member& moved = node.members.emplace_back(Member{member.variable, {}});
    for (const int option : followed) {
      moved.option.push_back(member.option[static_cast<size_t>(option)]);
    }
  }
}

void move_edges(Network& network, int node, int follower, const std::vector<int>& followed) {
  const std::vector<int> edges = network.node(follower).edges;
  for (const int index : edges) {
    const Network::Edge& edge = network.edge(index);
    const int other = edge.other(follower);
    std::vector<Cost> table;
    for (const int option : followed) {
      for (int i = 0; i < network.node(other).options(); ++i) {
        table.push_back(network.edge_cost(edge, follower, option, i));
      }
    }
    network.remove_edge(index);
    network.add_to_edge(node, other, table);
  }
}

}  // namespace

std::vector<int> followed_options(const Network& network, int node, int edge_index) {
  const Network::Edge& edge = network.edge(edge_index);
  const bool is_leaf = network.node(edge.other(node)).edges.size() == 1;
  std::vector<int> followed;
  for (int own = 0; own < network.node(node).options(); ++own) {
    int other = only_option(network, node, edge, own);
    if (other < 0 && is_leaf) other = best_option(network, node, edge, own);
    if (other < 0) return {};
    followed.push_back(other);
  }
  return followed;
}

void absorb(Network& network, int node, int edge_index, const std::vector<int>& followed) {
  const Network::Edge& edge = network.edge(edge_index);
  const int follower = edge.other(node);
  for (size_t i = 0; i < followed.size(); ++i) {
    Cost& cost = network.node(node).cost[i];
    cost = add_costs(cost, network.edge_cost(edge, node, static_cast<int>(i), followed[i]));
    cost = add_costs(cost, network.node(follower).cost[static_cast<size_t>(followed[i])]);
  }
  network.remove_edge(edge_index);
  move_usages(network, node, follower, followed);
  move_members(network.node(node), network.node(follower), followed);
  move_edges(network, node, follower, followed);
  network.node(follower).is_alive = false;
  network.node(follower).members.clear();
  network.node(follower).usages.clear();
}

}  // namespace partita::planner
