// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/search/tree_search.h"

#include <algorithm>

#include "planner/solvers/reduce/reducer.h"
#include "planner/solvers/search/repair.h"

namespace partita::planner {
namespace {

int count_options(const Network& network) {
  int count = 0;
  for (const Network::Node& node : network.nodes) {
    if (node.is_alive) count += node.options() - 1;
  }
  return count;
}

}  // namespace

Cost TreeSearch::run(Network network) {
  RowPrices prices(network.limits.size());
  open_.push_back({std::move(network), std::move(prices), -kForbidden});
  bool is_root = true;
  work_ = 0;
  while (!open_.empty() && (is_root || (work_ < limits_.max_work && !limits_.deadline.is_over()))) {
    Branch branch = std::move(open_.back());
    open_.pop_back();
    if (branch.bound < incumbent_.cost) expand(std::move(branch), is_root);
    is_root = false;
  }
  Cost bound = incumbent_.cost;
  for (const Branch& branch : open_) bound = std::min(bound, branch.bound);
  return bound;
}

void TreeSearch::expand(Branch branch, bool is_root) {
  if (!tightened(branch, is_root)) return;
  if (limits_.deadline.is_over()) {
    open_.push_back(std::move(branch));
    return;
  }
  split(std::move(branch));
}

bool TreeSearch::reduced(Branch& branch) {
  Reducer(branch.network, incumbent_.cost).run();
  const Network& network = branch.network;
  if (network.is_infeasible || network.constant >= incumbent_.cost) return false;
  if (count_options(network) > 0) return true;
  visit(network, std::vector<int>(network.nodes.size(), 0));
  return false;
}

bool TreeSearch::tightened(Branch& branch, bool is_root) {
  AscentLimits limits = {.steps = is_root ? limits_.root_steps : limits_.steps,
                         .sweeps = 2,
                         .target = kForbidden,
                         .is_over = [this] { return limits_.deadline.is_over(); }};
  while (true) {
    if (!reduced(branch)) return false;
    Relaxation relaxation(branch.network, limits_.max_entries);
    limits.target = incumbent_.cost;
    DualAscent ascent(branch.network, relaxation, branch.prices);
    const Cost bound = ascent.run(limits, [&](const std::vector<int>& choice) {
      work_ += relaxation.work(limits.sweeps);
      return visit(branch.network, choice);
    });
    branch.bound = std::max(branch.bound, bound);
    if (is_root) root_prices_ = branch.prices;
    if (branch.bound >= incumbent_.cost) return false;
    static_cast<void>(relaxation.bound(branch.network, branch.prices, limits.sweeps));
    relaxation.marginals(branch.network, marginals_);
    const int before = count_options(branch.network);
    const int dropped = drop_excluded(branch.network);
    if (branch.network.is_infeasible) return false;
    // Another round costs as much as a branch; it is worth it when a tenth is gone.
    if (dropped * 10 < before || limits_.deadline.is_over()) {
      return dropped == 0 || reduced(branch);
    }
  }
}

int TreeSearch::drop_excluded(Network& network) {
  int dropped = 0;
  for (const int index : network.living_nodes()) {
    std::vector<Cost>& of_node = marginals_[static_cast<size_t>(index)];
    std::vector<int> kept;
    for (size_t i = 0; i < of_node.size(); ++i) {
      if (of_node[i] < incumbent_.cost) kept.push_back(static_cast<int>(i));
    }
    if (kept.size() == of_node.size()) continue;
    dropped += static_cast<int>(of_node.size() - kept.size());
    network.keep_options(index, kept);
    if (kept.empty()) return dropped;
    for (size_t i = 0; i < kept.size(); ++i) of_node[i] = of_node[static_cast<size_t>(kept[i])];
    of_node.resize(kept.size());
    lower_limits(network, index);
  }
  return dropped;
}

// Reductions since the marginals were computed may have changed the options; such nodes are judged
// by their costs alone.
void TreeSearch::split(Branch branch) {
  const Network& network = branch.network;
  int chosen = -1;
  Cost widest = -1;
  int best_option = 0;
  for (const int index : network.living_nodes()) {
    const Network::Node& node = network.node(index);
    if (node.options() == 1) continue;
    const std::vector<Cost>& known = marginals_[static_cast<size_t>(index)];
    const std::vector<Cost>& judged = known.size() == node.cost.size() ? known : node.cost;
    const auto best = std::min_element(judged.begin(), judged.end());
    Cost second = kForbidden;
    for (auto cost = judged.begin(); cost != judged.end(); ++cost) {
      if (cost != best) second = std::min(second, *cost);
    }
    if (second - *best <= widest) continue;
    widest = second - *best;
    chosen = index;
    best_option = static_cast<int>(best - judged.begin());
  }
  Branch other = branch;
  std::vector<int> rest;
  for (int i = 0; i < network.node(chosen).options(); ++i) {
    if (i != best_option) rest.push_back(i);
  }
  other.network.keep_options(chosen, rest);
  lower_limits(other.network, chosen);
  branch.network.keep_options(chosen, {best_option});
  lower_limits(branch.network, chosen);
  open_.push_back(std::move(other));
  open_.push_back(std::move(branch));
}

Cost TreeSearch::visit(const Network& network, const std::vector<int>& choice) {
  std::vector<int> repaired = choice;
  if (!repair(network, repaired)) return incumbent_.cost;
  const Cost cost = network_cost(network, repaired);
  if (cost < incumbent_.cost) incumbent_ = {cost, network.original_choice(repaired)};
  return incumbent_.cost;
}

}  // namespace partita::planner
