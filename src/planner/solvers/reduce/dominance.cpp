// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/reduce/dominance.h"

#include <algorithm>

namespace partita::planner {
namespace {

// One node with its tables turned so that a row belongs to each of its options.
class Options {
 public:
  Options(const Network& network, int index) : node_(network.node(index)) {
    for (const int edge_index : node_.edges) {
      const Network::Edge& edge = network.edge(edge_index);
      const auto others = static_cast<size_t>(network.node(edge.other(index)).options());
      Table table = {others, {}};
      if (edge.first == index) {
        table.cost = edge.cost;
      } else {
        table.cost.resize(edge.cost.size());
        const size_t own = node_.cost.size();
        for (size_t i = 0; i < own; ++i) {
          for (size_t j = 0; j < others; ++j) table.cost[i * others + j] = edge.cost[j * own + i];
        }
      }
      tables_.push_back(std::move(table));
    }
  }

  // Whether `a` takes no more memory than `b` in any row.
  [[nodiscard]] bool is_no_larger(size_t a, size_t b) const {
    return std::all_of(node_.usages.begin(), node_.usages.end(),
                       [&](const RowUsage& usage) { return usage.bytes[a] <= usage.bytes[b]; });
  }

  // Whether `a` costs no more than `b`, whatever the neighbours choose.
  [[nodiscard]] bool is_no_dearer(size_t a, size_t b) const {
    Cost difference = node_.cost[a] - node_.cost[b];
    for (const Table& table : tables_) {
      const Cost* of_a = table.cost.data() + a * table.others;
      const Cost* of_b = table.cost.data() + b * table.others;
      Cost most = -kForbidden;
      for (size_t i = 0; i < table.others; ++i) {
        if (of_b[i] >= kForbidden) continue;
        if (of_a[i] >= kForbidden) return false;
        most = std::max(most, of_a[i] - of_b[i]);
      }
      difference += most;
    }
    return difference <= 0;
  }

 private:
  struct Table {
    size_t others = 0;
    std::vector<Cost> cost;
  };
  const Network::Node& node_;
  std::vector<Table> tables_;
};

}  // namespace

std::vector<int> undominated_options(const Network& network, int node) {
  const auto count = static_cast<size_t>(network.node(node).options());
  std::vector<int> kept;
  if (count == 1) return {0};
  const Options options(network, node);
  std::vector<bool> is_dropped(count, false);
  const auto dominates = [&](size_t a, size_t b) {
    return options.is_no_larger(a, b) && options.is_no_dearer(a, b);
  };
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = 0; j < count && !is_dropped[i]; ++j) {
      if (i == j || is_dropped[j] || !dominates(j, i)) continue;
      const bool is_tie = dominates(i, j);
      is_dropped[i] = !is_tie || j < i;
      is_dropped[j] = is_tie && i < j;
    }
    if (!is_dropped[i]) kept.push_back(static_cast<int>(i));
  }
  std::erase_if(kept, [&](int option) { return is_dropped[static_cast<size_t>(option)]; });
  return kept;
}

}  // namespace partita::planner
