// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/reduce/network.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>

#include "planner/solvers/reduce/memory_rows.h"

namespace partita::planner {
namespace {

std::vector<Cost> transposed(const std::vector<Cost>& table, size_t rows) {
  const size_t columns = table.size() / rows;
  std::vector<Cost> result;
  result.reserve(table.size());
  for (size_t column = 0; column < columns; ++column) {
    for (size_t row = 0; row < rows; ++row) result.push_back(table[row * columns + column]);
  }
  return result;
}

template <typename T>
void keep_elements(std::vector<T>& list, const std::vector<int>& kept) {
  for (size_t i = 0; i < kept.size(); ++i) list[i] = list[static_cast<size_t>(kept[i])];
  list.resize(kept.size());
}

Member all_options_of(int variable, size_t options) {
  Member member = {variable, std::vector<int>(options)};
  std::iota(member.option.begin(), member.option.end(), 0);
  return member;
}

// Edges of the problem, with parallel ones merged. Done by keys, because hubs have long edge lists.
void add_edges(const Problem& problem, Network& network) {
  std::unordered_map<uint64_t, int> known;
  for (const Edge& edge : problem.edges) {
    const auto [low, high] = std::minmax(edge.first, edge.second);
    const uint64_t key = (static_cast<uint64_t>(low) << 32) | static_cast<uint64_t>(high);
    const EdgeTable& table = problem.tables[static_cast<size_t>(edge.table)];
    const auto [found, is_new] = known.try_emplace(key, static_cast<int>(network.edges.size()));
    if (is_new) {
      network.edges.push_back({edge.first, edge.second, table.cost});
      network.node(edge.first).edges.push_back(found->second);
      network.node(edge.second).edges.push_back(found->second);
      continue;
    }
    Network::Edge& merged = network.edge(found->second);
    const bool is_turned = merged.first != edge.first;
    const std::vector<Cost> more =
        is_turned ? transposed(table.cost, static_cast<size_t>(table.rows)) : table.cost;
    for (size_t i = 0; i < more.size(); ++i) merged.cost[i] = add_costs(merged.cost[i], more[i]);
  }
}

// Usages as disjoint spans of rows, so that each row is compared by all that is alive in it.
void make_disjoint(std::vector<RowUsage>& usages, size_t options) {
  std::map<int, std::vector<int64_t>> changes;  // per row: how the bytes of the options change
  for (const RowUsage& usage : usages) {
    std::vector<int64_t>& begin = changes.try_emplace(usage.begin, options, 0).first->second;
    std::vector<int64_t>& end = changes.try_emplace(usage.end, options, 0).first->second;
    for (size_t i = 0; i < options; ++i) {
      begin[i] += usage.bytes[i];
      end[i] -= usage.bytes[i];
    }
  }
  usages.clear();
  std::vector<int64_t> bytes(options, 0);
  for (auto change = changes.begin(); change != changes.end(); ++change) {
    for (size_t i = 0; i < options; ++i) bytes[i] += change->second[i];
    const auto end = std::next(change);
    if (end == changes.end()) break;
    if (!usages.empty() && usages.back().end == change->first && usages.back().bytes == bytes) {
      usages.back().end = end->first;
    } else {
      usages.push_back({change->first, end->first, bytes});
    }
  }
}

}  // namespace

Cost Network::edge_cost(const Edge& edge, int node, int own, int other) const {
  const auto columns = static_cast<size_t>(this->node(edge.second).options());
  const auto row = static_cast<size_t>(edge.first == node ? own : other);
  const auto column = static_cast<size_t>(edge.first == node ? other : own);
  return edge.cost[row * columns + column];
}

void Network::remove_edge(int index) {
  Edge& removed = edge(index);
  removed.is_alive = false;
  removed.cost = {};
  for (const int end : {removed.first, removed.second}) {
    std::vector<int>& list = node(end).edges;
    // The last ones are the most likely ones to go, and hubs have thousands.
    *std::find(list.rbegin(), list.rend(), index) = list.back();
    list.pop_back();
  }
}

int Network::edge_between(int a, int b) const {
  const int smaller = node(a).edges.size() <= node(b).edges.size() ? a : b;
  for (const int index : node(smaller).edges) {
    if (edge(index).other(smaller) == a + b - smaller) return index;
  }
  return -1;
}

int Network::add_to_edge(int a, int b, const std::vector<Cost>& table) {
  int index = edge_between(a, b);
  if (index < 0) {
    index = static_cast<int>(edges.size());
    edges.push_back({a, b, table});
    node(a).edges.push_back(index);
    node(b).edges.push_back(index);
    return index;
  }
  Edge& known = edge(index);
  const std::vector<Cost> more =
      known.first == a ? table : transposed(table, static_cast<size_t>(node(a).options()));
  for (size_t i = 0; i < more.size(); ++i) known.cost[i] = add_costs(known.cost[i], more[i]);
  return index;
}

void Network::keep_options(int index, const std::vector<int>& kept) {
  Node& changed = node(index);
  const size_t before = changed.cost.size();
  for (const int i : changed.edges) {
    Edge& touched = edge(i);
    const size_t columns = touched.cost.size() / static_cast<size_t>(node(touched.first).options());
    std::vector<Cost> cost;
    if (touched.first == index) {
      for (const int option : kept) {
        const auto row = touched.cost.begin() +
                         static_cast<std::ptrdiff_t>(option) * static_cast<std::ptrdiff_t>(columns);
        cost.insert(cost.end(), row, row + static_cast<std::ptrdiff_t>(columns));
      }
    } else {
      for (size_t row = 0; row * before < touched.cost.size(); ++row) {
        for (const int option : kept) {
          cost.push_back(touched.cost[row * before + static_cast<size_t>(option)]);
        }
      }
    }
    touched.cost = std::move(cost);
  }
  keep_elements(changed.cost, kept);
  for (RowUsage& usage : changed.usages) keep_elements(usage.bytes, kept);
  for (Member& member : changed.members) keep_elements(member.option, kept);
  is_infeasible = is_infeasible || kept.empty();
}

std::vector<int> Network::original_choice(const std::vector<int>& choice) const {
  std::vector<int> result(variables, 0);
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!nodes[i].is_alive) continue;
    for (const Member& member : nodes[i].members) {
      result[static_cast<size_t>(member.variable)] = member.option[static_cast<size_t>(choice[i])];
    }
  }
  return result;
}

std::vector<int> Network::living_nodes() const {
  std::vector<int> living;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].is_alive) living.push_back(static_cast<int>(i));
  }
  return living;
}

Network make_network(const Problem& problem) {
  Network network;
  network.variables = problem.variables.size();
  network.nodes.resize(problem.variables.size());
  for (size_t i = 0; i < problem.variables.size(); ++i) {
    Network::Node& node = network.nodes[i];
    node.cost = problem.variables[i].cost;
    node.members = {all_options_of(static_cast<int>(i), node.cost.size())};
  }
  add_edges(problem, network);
  add_memory_rows(problem, network);
  for (size_t i = 0; i < network.nodes.size(); ++i) lower_limits(network, static_cast<int>(i));
  return network;
}

Network core_of(const Network& network) {
  Network core;
  core.variables = network.nodes.size();
  core.limits = network.limits;
  core.constant = network.constant;
  core.is_infeasible = network.is_infeasible;
  std::vector<int> position(network.nodes.size(), -1);
  for (const int index : network.living_nodes()) {
    const Network::Node& node = network.node(index);
    if (node.options() == 1) {
      core.constant += node.cost.front();
      continue;
    }
    position[static_cast<size_t>(index)] = static_cast<int>(core.nodes.size());
    core.nodes.push_back({node.cost, node.usages, {}, {all_options_of(index, node.cost.size())}});
  }
  for (const Network::Edge& edge : network.edges) {
    if (!edge.is_alive) continue;
    const int index = static_cast<int>(core.edges.size());
    const int first = position[static_cast<size_t>(edge.first)];
    const int second = position[static_cast<size_t>(edge.second)];
    core.edges.push_back({first, second, edge.cost});
    core.node(first).edges.push_back(index);
    core.node(second).edges.push_back(index);
  }
  return core;
}

void lower_limits(Network& network, int index) {
  Network::Node& node = network.node(index);
  std::vector<RowUsage>& usages = node.usages;
  if (node.has_raw_usages) make_disjoint(usages, node.cost.size());
  node.has_raw_usages = false;
  for (RowUsage& usage : usages) {
    if (usage.bytes.empty()) continue;
    const int64_t least = *std::min_element(usage.bytes.begin(), usage.bytes.end());
    if (least == 0) continue;
    for (int64_t& bytes : usage.bytes) bytes -= least;
    for (int row = usage.begin; row < usage.end; ++row) {
      int64_t& limit = network.limits[static_cast<size_t>(row)];
      limit -= least;
      network.is_infeasible = network.is_infeasible || limit < 0;
    }
  }
  std::erase_if(usages, [](const RowUsage& usage) {
    return std::all_of(usage.bytes.begin(), usage.bytes.end(), [](int64_t b) { return b == 0; });
  });
}

}  // namespace partita::planner
