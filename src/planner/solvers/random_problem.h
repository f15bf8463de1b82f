// SPDX-License-Identifier: Apache-2.0
// Random problems for the tests of solvers.
#pragma once

#include <cstdint>
#include <random>

#include "planner/solvers/solver.h"

namespace partita::planner {

struct Shape {
  int variables = 8;
  int options = 4;
  int edge_percent = 35;
  int64_t largest_cost = 20;  // small numbers make ties
  int64_t largest_bytes = 10;
  int forbidden_percent = 10;
  int timed_percent = 0;  // of the variables: also occupy memory for a while
};

// Draws are taken modulo, not through std::uniform_int_distribution, whose results differ by
// library.
class RandomProblem {
 public:
  explicit RandomProblem(uint32_t seed) : random_(seed) {}

  int64_t below(int64_t bound) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(bound));
  }

  Problem draw(const Shape& shape) {
    Problem problem;
    const int64_t count = 1 + below(shape.variables);
    for (int64_t i = 0; i < count; ++i) {
      Variable variable;
      const int64_t options = 1 + below(shape.options);
      for (int64_t j = 0; j < options; ++j) {
        variable.cost.push_back(cost(shape));
        variable.bytes.push_back(below(shape.largest_bytes));
      }
      if (below(100) < shape.timed_percent) add_timed(variable, shape);
      if (below(100) < shape.timed_percent / 3) add_timed(variable, shape);
      problem.variables.push_back(std::move(variable));
    }
    for (int i = 0; i < count; ++i) {
      for (int j = 0; j < count; ++j) {
        if (i != j && below(100) < shape.edge_percent) add_edge(problem, i, j, shape);
      }
    }
    if (below(4) > 0) problem.memory_bound = below(count * shape.largest_bytes / 2 + 2);
    return problem;
  }

 private:
  Cost cost(const Shape& shape) {
    return below(100) < shape.forbidden_percent ? kForbidden : below(shape.largest_cost);
  }

  void add_timed(Variable& variable, const Shape& shape) {
    TimedUsage& usage = variable.timed.emplace_back();
    usage.live.begin = below(6);
    usage.live.end = usage.live.begin + below(4);  // some are empty
    for (size_t i = 0; i < variable.cost.size(); ++i) {
      usage.bytes.push_back(below(shape.largest_bytes));
    }
  }

  void add_edge(Problem& problem, int first, int second, const Shape& shape) {
    EdgeTable table;
    table.rows = static_cast<int>(problem.variables[static_cast<size_t>(first)].cost.size());
    table.columns = static_cast<int>(problem.variables[static_cast<size_t>(second)].cost.size());
    for (int k = 0; k < table.rows * table.columns; ++k) table.cost.push_back(cost(shape));
    problem.edges.push_back({first, second, static_cast<int>(problem.tables.size())});
    problem.tables.push_back(std::move(table));
  }

  std::mt19937 random_;
};

}  // namespace partita::planner
