// SPDX-License-Identifier: Apache-2.0
// Random problems on which tests compare solvers.
#pragma once

#include <random>
#include <utility>

#include "planner/solvers/solver.h"

namespace partita::planner {

struct InstanceShape {
  int least_variables = 1;
  int most_variables = 8;
  int options = 4;  // at most
  // Variable i is joined with this percentage of the `window` variables before it.
  int edge_percent = 35;
  int window = 8;
  int64_t largest_cost = 20;  // small numbers make ties
  int64_t largest_bytes = 10;
  int forbidden_percent = 10;
  int always_percent = 75;  // of the variables occupy bytes always,
  int timed_percent = 0;    // and so many for a while
  int bound_percent = 75;   // of the problems have a memory bound
};

// Draws are taken modulo, not through std::uniform_int_distribution, whose results differ by
// library.
class RandomInstance {
 public:
  explicit RandomInstance(uint32_t seed) : random_(seed) {}

  int64_t below(int64_t bound) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(bound));
  }
  bool happens(int percent) { return below(100) < percent; }

  Problem draw(const InstanceShape& shape) {
    Problem problem;
    const int64_t count =
        shape.least_variables + below(shape.most_variables - shape.least_variables + 1);
    for (int64_t i = 0; i < count; ++i) problem.variables.push_back(variable(shape, i));
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t j = std::max<int64_t>(0, i - shape.window); j < i; ++j) {
        if (!happens(shape.edge_percent)) continue;
        const bool is_turned = happens(50);
        add_edge(problem, static_cast<int>(is_turned ? i : j), static_cast<int>(is_turned ? j : i),
                 shape);
      }
    }
    if (happens(shape.bound_percent)) problem.memory_bound = bound_between(problem);
    return problem;
  }

  // `layers` alike blocks of a language model: a residual stream with two branches per layer, each
  // option with a layout in and one out, and edges that pay for the change of layout. Tables are
  // shared by all layers.
  Problem draw_decoder(int layers, int options, int64_t largest_cost, int64_t largest_bytes) {
    // Inputs of each node of a block, relative to it; -2 before the first node is the layer before.
    static constexpr int kInputs[][3] = {
        {-1, 0, 0}, {-1, 0, 0}, {-2, 0, 0}, {-3, 0, 0},  {-1, -2, -3}, {-1, 0, 0}, {-1, -6, 0},
        {-1, 0, 0}, {-1, 0, 0}, {-2, 0, 0}, {-1, -2, 0}, {-1, 0, 0},   {-1, -5, 0}};
    constexpr int kNodes = 13;
    constexpr int kLayouts = 4;
    Problem problem;
    std::vector<Variable> block;
    std::vector<std::vector<int>> in(kNodes), out(kNodes);
    for (int i = 0; i < kNodes; ++i) {
      Variable variable;
      for (int option = 0; option < options; ++option) {
        variable.cost.push_back(below(largest_cost));
        variable.bytes.push_back(i % 3 == 0 ? 0 : below(largest_bytes));
        in[i].push_back(static_cast<int>(below(kLayouts)));
        out[i].push_back(static_cast<int>(below(kLayouts)));
      }
      block.push_back(std::move(variable));
    }
    std::vector<Cost> change(kLayouts * kLayouts);
    for (int i = 0; i < kLayouts * kLayouts; ++i) {
      change[i] = i % (kLayouts + 1) == 0 ? 0 : happens(8) ? kForbidden : below(largest_cost);
    }
    std::vector<std::vector<int>> table_of(kNodes, std::vector<int>(kNodes, -1));
    for (int layer = 0; layer < layers; ++layer) {
      for (int i = 0; i < kNodes; ++i) {
        const int self = static_cast<int>(problem.variables.size());
        problem.variables.push_back(block[i]);
        for (const int offset : kInputs[i]) {
          if (offset == 0 || self + offset < 0) continue;
          const int from = (i + offset + kNodes) % kNodes;
          int& table = table_of[from][i];
          if (table < 0) {
            table = static_cast<int>(problem.tables.size());
            EdgeTable costs{options, options, {}};
            for (const int source : out[from]) {
              for (const int target : in[i])
                costs.cost.push_back(change[source * kLayouts + target]);
            }
            problem.tables.push_back(std::move(costs));
          }
          problem.edges.push_back({self + offset, self, table});
        }
      }
    }
    return problem;
  }

  // A bound that some assignments of random options hold and some do not.
  int64_t bound_between(const Problem& problem) {
    int64_t least = 0;
    int64_t most = 0;
    for (int trial = 0; trial < 8; ++trial) {
      std::vector<int> choice;
      for (const Variable& variable : problem.variables)
        choice.push_back(static_cast<int>(below(static_cast<int64_t>(variable.cost.size()))));
      const int64_t bytes = evaluate(problem, choice).bytes;
      least = trial == 0 ? bytes : std::min(least, bytes);
      most = std::max(most, bytes);
    }
    return least * 3 / 4 + below(most - least * 3 / 4 + 1);
  }

  // Every variable with bytes for a while holds them at [i, i + up to a quarter of all).
  void add_timed_bytes(Problem& problem, int percent, int64_t largest_bytes) {
    const auto count = static_cast<int64_t>(problem.variables.size());
    for (int64_t i = 0; i < count; ++i) {
      if (!happens(percent)) continue;
      Variable& variable = problem.variables[static_cast<size_t>(i)];
      TimedUsage usage = {{i, i + 1 + below(count / 4 + 1)}, {}};
      for (size_t j = 0; j < variable.cost.size(); ++j) usage.bytes.push_back(below(largest_bytes));
      variable.timed.push_back(std::move(usage));
    }
  }

 private:
  Variable variable(const InstanceShape& shape, int64_t number) {
    Variable variable;
    const int64_t options = 1 + below(shape.options);
    const bool has_always = happens(shape.always_percent);
    for (int64_t j = 0; j < options; ++j) {
      variable.cost.push_back(cost(shape));
      variable.bytes.push_back(has_always ? below(shape.largest_bytes) : 0);
    }
    if (happens(shape.timed_percent)) {
      TimedUsage usage = {{number, number + below(5)}, {}};
      for (int64_t j = 0; j < options; ++j) usage.bytes.push_back(below(shape.largest_bytes));
      variable.timed.push_back(std::move(usage));
    }
    return variable;
  }

  Cost cost(const InstanceShape& shape) {
    return happens(shape.forbidden_percent) ? kForbidden : below(shape.largest_cost);
  }

  void add_edge(Problem& problem, int first, int second, const InstanceShape& shape) {
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
