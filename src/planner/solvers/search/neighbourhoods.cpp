// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/search/neighbourhoods.h"

#include <algorithm>

#include "planner/solvers/search/tree_search.h"

namespace partita::planner {
namespace {

constexpr double kGrowth = 1.05;
constexpr double kShrinkage = 0.9;
constexpr double kLeastSize = 6;
constexpr int64_t kTreeWork = 100'000'000;  // a fraction of a second

}  // namespace

Neighbourhoods::Neighbourhoods(const Network& core, Incumbent& incumbent)
    : core_(core), incumbent_(incumbent) {}

void Neighbourhoods::run(const NeighbourhoodLimits& limits) {
  const TreeLimits tree = {.deadline = limits.deadline,
                           .max_work = kTreeWork,
                           .max_entries = limits.max_entries,
                           .root_steps = 60,
                           .steps = 20};
  int failures = 0;
  for (int round = 0; failures < limits.max_failures && !limits.deadline.is_over(); ++round) {
    const size_t size = std::min(core_.nodes.size(), static_cast<size_t>(size_));
    const bool use_edges = round % 3 != 2 || core_.limits.empty();
    const Cost before = incumbent_.cost;
    TreeSearch search(incumbent_, tree);
    const Cost bound =
        search.run(restricted_to(use_edges ? part_along_edges(size) : part_along_memory(size)));
    failures = incumbent_.cost < before ? 0 : failures + 1;
    const bool is_solved = bound >= incumbent_.cost;
    if (is_solved && size == core_.nodes.size()) return;
    size_ = std::clamp(size_ * (is_solved ? kGrowth : kShrinkage), kLeastSize,
                       static_cast<double>(core_.nodes.size()));
  }
}

std::vector<bool> Neighbourhoods::part_along_edges(size_t size) {
  std::vector<bool> is_free(core_.nodes.size(), false);
  std::vector<int> border;
  size_t count = 0;
  while (count < size) {
    int next = static_cast<int>(below(core_.nodes.size()));
    if (!border.empty()) {
      const size_t at = below(border.size());
      next = border[at];
      border[at] = border.back();
      border.pop_back();
    }
    if (is_free[static_cast<size_t>(next)]) continue;
    is_free[static_cast<size_t>(next)] = true;
    ++count;
    for (const int edge : core_.node(next).edges) border.push_back(core_.edge(edge).other(next));
  }
  return is_free;
}

// Nodes alive in one row, each with a neighbour that may have to change along with it.
std::vector<bool> Neighbourhoods::part_along_memory(size_t size) {
  std::vector<bool> is_free(core_.nodes.size(), false);
  const int row = static_cast<int>(below(core_.limits.size()));
  std::vector<int> alive;
  for (size_t i = 0; i < core_.nodes.size(); ++i) {
    for (const RowUsage& usage : core_.nodes[i].usages) {
      if (usage.begin <= row && row < usage.end) alive.push_back(static_cast<int>(i));
    }
  }
  for (size_t taken = 0; taken < size && !alive.empty(); taken += 2) {
    const size_t at = below(alive.size());
    const int node = alive[at];
    alive[at] = alive.back();
    alive.pop_back();
    is_free[static_cast<size_t>(node)] = true;
    const std::vector<int>& edges = core_.node(node).edges;
    if (edges.empty()) continue;
    is_free[static_cast<size_t>(core_.edge(edges[below(edges.size())]).other(node))] = true;
  }
  return is_free;
}

Network Neighbourhoods::restricted_to(const std::vector<bool>& is_free) const {
  Network part = core_;
  for (size_t i = 0; i < is_free.size(); ++i) {
    if (is_free[i]) continue;
    // Nodes of a core have one member, and its options.
    const int variable = core_.nodes[i].members.front().variable;
    part.keep_options(static_cast<int>(i), {incumbent_.choice[static_cast<size_t>(variable)]});
    lower_limits(part, static_cast<int>(i));
  }
  return part;
}

}  // namespace partita::planner
