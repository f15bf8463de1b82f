// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/search/repair.h"

#include <algorithm>
#include <limits>

#include "planner/solvers/bounds/row_prices.h"

namespace partita::planner {
namespace {

class Repair {
 public:
  Repair(const Network& network, std::vector<int>& choice)
      : network_(network), choice_(choice), living_(network.living_nodes()) {
    for (size_t row = 0; row < network.limits.size(); ++row) free_.push_back(network.limits[row]);
    const std::vector<int64_t> bytes = row_bytes(network, choice);
    for (size_t row = 0; row < free_.size(); ++row) free_[row] -= bytes[row];
  }

  bool make_fit() {
    // Every step lowers the excess; the count only guards against endless small ones.
    for (size_t steps = 0; steps <= 4 * living_.size(); ++steps) {
      if (excess() == 0) return true;
      if (!take_out()) return false;
    }
    return false;
  }

  void improve() {
    bool changed = true;
    while (changed) {
      changed = false;
      for (const int node : living_) changed = improved(node) || changed;
    }
  }

 private:
  [[nodiscard]] int64_t excess() const {
    int64_t sum = 0;
    for (const int64_t bytes : free_) sum += std::max<int64_t>(0, -bytes);
    return sum;
  }

  // What the node costs with each option, the neighbours being as they are.
  void costs_of(int index, std::vector<Cost>& cost) const {
    const Network::Node& node = network_.node(index);
    cost = node.cost;
    for (const int edge_index : node.edges) {
      const Network::Edge& edge = network_.edge(edge_index);
      const int other = choice_[static_cast<size_t>(edge.other(index))];
      for (int i = 0; i < node.options(); ++i) {
        Cost& sum = cost[static_cast<size_t>(i)];
        sum = add_costs(sum, network_.edge_cost(edge, index, i, other));
      }
    }
  }

  // How many bytes too many a change takes away from all rows; negative when it adds some.
  [[nodiscard]] int64_t relief(const Network::Node& node, int from, int to) const {
    int64_t sum = 0;
    for (const RowUsage& usage : node.usages) {
      const int64_t less =
          usage.bytes[static_cast<size_t>(from)] - usage.bytes[static_cast<size_t>(to)];
      if (less == 0) continue;
      for (int row = usage.begin; row < usage.end; ++row) {
        const int64_t free = free_[static_cast<size_t>(row)];
        sum += std::min<int64_t>(0, free + less) - std::min<int64_t>(0, free);
      }
    }
    return sum;
  }

  void set(int index, int option) {
    int& chosen = choice_[static_cast<size_t>(index)];
    for (const RowUsage& usage : network_.node(index).usages) {
      const int64_t less =
          usage.bytes[static_cast<size_t>(chosen)] - usage.bytes[static_cast<size_t>(option)];
      for (int row = usage.begin; row < usage.end; ++row) free_[static_cast<size_t>(row)] += less;
    }
    chosen = option;
  }

  bool take_out() {
    int best_node = -1;
    int best_option = 0;
    double least = std::numeric_limits<double>::infinity();
    std::vector<Cost> cost;
    for (const int index : living_) {
      const Network::Node& node = network_.node(index);
      if (node.usages.empty()) continue;
      costs_of(index, cost);
      const int from = choice_[static_cast<size_t>(index)];
      for (int to = 0; to < node.options(); ++to) {
        if (to == from || cost[static_cast<size_t>(to)] >= kForbidden) continue;
        const int64_t less = relief(node, from, to);
        if (less <= 0) continue;
        const auto more =
            static_cast<double>(cost[static_cast<size_t>(to)] - cost[static_cast<size_t>(from)]);
        const double price = more / static_cast<double>(less);
        if (price >= least) continue;
        least = price;
        best_node = index;
        best_option = to;
      }
    }
    if (best_node < 0) return false;
    set(best_node, best_option);
    return true;
  }

  bool improved(int index) {
    const Network::Node& node = network_.node(index);
    if (node.options() == 1) return false;
    std::vector<Cost> cost;
    costs_of(index, cost);
    const int from = choice_[static_cast<size_t>(index)];
    int best = from;
    for (int to = 0; to < node.options(); ++to) {
      const bool is_cheaper = cost[static_cast<size_t>(to)] < cost[static_cast<size_t>(best)];
      if (is_cheaper && relief(node, from, to) >= 0) best = to;
    }
    if (best == from) return false;
    set(index, best);
    return true;
  }

  const Network& network_;
  std::vector<int>& choice_;
  std::vector<int> living_;
  std::vector<int64_t> free_;  // per row
};

}  // namespace

bool repair(const Network& network, std::vector<int>& choice) {
  if (network_cost(network, choice) >= kForbidden) return false;
  Repair repair(network, choice);
  if (!repair.make_fit()) return false;
  repair.improve();
  return true;
}

}  // namespace partita::planner
