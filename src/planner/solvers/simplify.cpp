// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/simplify.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

namespace partita::planner {
namespace {

using Pair = std::pair<int, int>;

EdgeTable oriented(const Problem& problem, const Edge& edge) {
  const EdgeTable& table = problem.tables[static_cast<size_t>(edge.table)];
  if (edge.first < edge.second) return table;
  EdgeTable transposed = {table.columns, table.rows, {}};
  transposed.cost.reserve(table.cost.size());
  for (int column = 0; column < table.columns; ++column) {
    for (int row = 0; row < table.rows; ++row) transposed.cost.push_back(table.at(row, column));
  }
  return transposed;
}

// One edge per pair of variables, the lower index first. Pairs that join the same tables in the
// same way share the merged table.
void merge_edges(const Problem& problem, Problem& merged) {
  std::map<Pair, std::vector<Edge>> by_pair;
  for (const Edge& edge : problem.edges)
    by_pair[std::minmax(edge.first, edge.second)].push_back(edge);
  std::map<std::vector<Pair>, int> known;  // (table, is turned) of all parts -> merged table
  for (const auto& [pair, parts] : by_pair) {
    std::vector<Pair> key;
    for (const Edge& edge : parts) key.emplace_back(edge.table, edge.first > edge.second ? 1 : 0);
    std::sort(key.begin(), key.end());
    const auto [found, is_new] = known.try_emplace(key, static_cast<int>(merged.tables.size()));
    if (is_new) {
      EdgeTable sum = oriented(problem, parts.front());
      for (size_t i = 1; i < parts.size(); ++i) {
        const EdgeTable part = oriented(problem, parts[i]);
        for (size_t j = 0; j < sum.cost.size(); ++j) {
          sum.cost[j] = std::min(kForbidden, sum.cost[j] + part.cost[j]);
        }
      }
      merged.tables.push_back(std::move(sum));
    }
    merged.edges.push_back({pair.first, pair.second, found->second});
  }
}

// Finds the options to keep, variable by variable; earlier removals make later ones easier.
class Dominance {
 public:
  explicit Dominance(const Problem& problem) : problem_(problem) {
    edges_of_.resize(problem.variables.size());
    for (size_t i = 0; i < problem.edges.size(); ++i) {
      edges_of_[static_cast<size_t>(problem.edges[i].first)].push_back(static_cast<int>(i));
      edges_of_[static_cast<size_t>(problem.edges[i].second)].push_back(static_cast<int>(i));
    }
    for (const Variable& variable : problem.variables) {
      kept_.emplace_back(variable.cost.size());
      std::iota(kept_.back().begin(), kept_.back().end(), 0);
    }
  }

  [[nodiscard]] std::vector<std::vector<int>> kept() {
    for (size_t variable = 0; variable < kept_.size(); ++variable) drop_dominated(variable);
    return std::move(kept_);
  }

 private:
  void drop_dominated(size_t variable) {
    const std::vector<int> options = kept_[variable];
    std::vector<bool> dropped(options.size(), false);
    for (size_t i = 0; i < options.size(); ++i) {
      for (size_t j = 0; j < options.size() && !dropped[i]; ++j) {
        if (i == j || dropped[j] || !is_no_worse(variable, options[j], options[i])) continue;
        // Of two equal options the first stays.
        dropped[i] = j < i || !is_no_worse(variable, options[i], options[j]);
      }
    }
    std::vector<int>& kept = kept_[variable];
    kept.clear();
    for (size_t i = 0; i < options.size(); ++i) {
      if (!dropped[i]) kept.push_back(options[i]);
    }
  }

  // Whether option `a` may replace option `b` in every assignment.
  [[nodiscard]] bool is_no_worse(size_t variable, int a, int b) const {
    const Variable& options = problem_.variables[variable];
    if (options.cost[static_cast<size_t>(a)] > options.cost[static_cast<size_t>(b)] ||
        options.bytes[static_cast<size_t>(a)] > options.bytes[static_cast<size_t>(b)]) {
      return false;
    }
    for (const int index : edges_of_[variable]) {
      const Edge& edge = problem_.edges[static_cast<size_t>(index)];
      const EdgeTable& table = problem_.tables[static_cast<size_t>(edge.table)];
      const bool is_first = edge.first == static_cast<int>(variable);
      for (const int other : kept_[static_cast<size_t>(is_first ? edge.second : edge.first)]) {
        const Cost cost_a = is_first ? table.at(a, other) : table.at(other, a);
        const Cost cost_b = is_first ? table.at(b, other) : table.at(other, b);
        if (cost_a > cost_b) return false;
      }
    }
    return true;
  }

  const Problem& problem_;
  std::vector<std::vector<int>> edges_of_;
  std::vector<std::vector<int>> kept_;
};

// An edge to a variable with one option is a cost of the other variable: a value that all layers
// share would else join them all. Returns whether the edge was such a one.
bool folded_into_variable(const EdgeTable& table, const Edge& edge, Problem& problem) {
  if (table.rows != 1 && table.columns != 1) return false;
  const int target = table.columns == 1 ? edge.first : edge.second;
  std::vector<Cost>& costs = problem.variables[static_cast<size_t>(target)].cost;
  for (size_t i = 0; i < costs.size(); ++i) {
    costs[i] = std::min(kForbidden, costs[i] + table.cost[i]);
  }
  return true;
}

// Cuts all tables down to the kept options.
Problem restrict_to(const Problem& problem, const std::vector<std::vector<int>>& kept) {
  Problem result;
  result.memory_bound = problem.memory_bound;
  for (size_t i = 0; i < kept.size(); ++i) {
    Variable& variable = result.variables.emplace_back();
    for (const int option : kept[i]) {
      variable.cost.push_back(problem.variables[i].cost[static_cast<size_t>(option)]);
      variable.bytes.push_back(problem.variables[i].bytes[static_cast<size_t>(option)]);
    }
  }
  std::map<std::tuple<int, std::vector<int>, std::vector<int>>, int> known;
  for (const Edge& edge : problem.edges) {
    const auto& rows = kept[static_cast<size_t>(edge.first)];
    const auto& columns = kept[static_cast<size_t>(edge.second)];
    const auto [found, is_new] =
        known.try_emplace({edge.table, rows, columns}, static_cast<int>(result.tables.size()));
    if (is_new) {
      EdgeTable table = {static_cast<int>(rows.size()), static_cast<int>(columns.size()), {}};
      for (const int row : rows) {
        for (const int column : columns) {
          table.cost.push_back(problem.tables[static_cast<size_t>(edge.table)].at(row, column));
        }
      }
      result.tables.push_back(std::move(table));
    }
    if (folded_into_variable(result.tables[static_cast<size_t>(found->second)], edge, result)) {
      continue;
    }
    result.edges.push_back({edge.first, edge.second, found->second});
  }
  return result;
}

}  // namespace

std::vector<int> SimplifiedProblem::original_choice(const std::vector<int>& choice) const {
  std::vector<int> result(choice.size());
  for (size_t i = 0; i < choice.size(); ++i) result[i] = option[i][static_cast<size_t>(choice[i])];
  return result;
}

SimplifiedProblem simplify(const Problem& problem) {
  Problem merged;
  merged.variables = problem.variables;
  merged.memory_bound = problem.memory_bound;
  merge_edges(problem, merged);
  return restricted(merged, Dominance(merged).kept());
}

SimplifiedProblem restricted(const Problem& problem, std::vector<std::vector<int>> options) {
  Problem result = restrict_to(problem, options);
  return {std::move(result), std::move(options)};
}

}  // namespace partita::planner
