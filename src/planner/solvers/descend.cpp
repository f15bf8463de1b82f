// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/descend.h"

#include <algorithm>

#include "planner/solvers/reduce/network.h"

namespace partita::planner {
namespace {

class Descent {
 public:
  explicit Descent(const Problem& problem)
      : problem_(problem), network_(make_network(problem)), free_(network_.limits) {
    for (size_t i = 0; i < problem.variables.size(); ++i) {
      choice_.push_back(smallest_option(i));
      add_bytes(i, -1);
    }
  }

  std::vector<int> run() {
    bool changed = true;
    while (changed) {
      changed = false;
      for (size_t i = 0; i < choice_.size(); ++i) changed = improve(i) || changed;
    }
    return choice_;
  }

 private:
  [[nodiscard]] int smallest_option(size_t variable) const {
    std::vector<int64_t> sum(problem_.variables[variable].bytes);
    for (const TimedUsage& usage : problem_.variables[variable].timed) {
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += usage.bytes[i];
    }
    return static_cast<int>(std::min_element(sum.begin(), sum.end()) - sum.begin());
  }

  // Forbidden terms count 2^60 each here, so that fewer of them are better.
  [[nodiscard]] __int128 local_cost(int variable, int option) const {
    __int128 cost = network_.node(variable).cost[static_cast<size_t>(option)];
    for (const int index : network_.node(variable).edges) {
      const Network::Edge& edge = network_.edge(index);
      const int other = choice_[static_cast<size_t>(edge.other(variable))];
      cost += network_.edge_cost(edge, variable, option, other);
    }
    return cost;
  }

  // Gives the bytes of the chosen option back to the rows, or takes them.
  void add_bytes(size_t variable, int sign) {
    for (const RowUsage& usage : network_.nodes[variable].usages) {
      const int64_t bytes = usage.bytes[static_cast<size_t>(choice_[variable])];
      for (int row = usage.begin; row < usage.end; ++row) {
        free_[static_cast<size_t>(row)] += sign * bytes;
      }
    }
  }

  // Whether no row gets too full, or fuller than it is when it is too full.
  [[nodiscard]] bool fits(size_t variable, int option) const {
    for (const RowUsage& usage : network_.nodes[variable].usages) {
      const int64_t more = usage.bytes[static_cast<size_t>(option)] -
                           usage.bytes[static_cast<size_t>(choice_[variable])];
      if (more <= 0) continue;
      for (int row = usage.begin; row < usage.end; ++row) {
        if (more > free_[static_cast<size_t>(row)]) return false;
      }
    }
    return true;
  }

  bool improve(size_t variable) {
    const auto index = static_cast<int>(variable);
    const int before = choice_[variable];
    __int128 least = local_cost(index, before);
    for (int option = 0; option < network_.node(index).options(); ++option) {
      const __int128 cost = local_cost(index, option);
      if (cost >= least || !fits(variable, option)) continue;
      least = cost;
      add_bytes(variable, 1);
      choice_[variable] = option;
      add_bytes(variable, -1);
    }
    return choice_[variable] != before;
  }

  const Problem& problem_;
  Network network_;
  std::vector<int64_t> free_;  // per row
  std::vector<int> choice_;
};

Cost sum_of_least_terms(const Problem& problem) {
  Cost sum = 0;
  for (const Variable& variable : problem.variables) {
    sum += *std::min_element(variable.cost.begin(), variable.cost.end());
  }
  for (const Edge& edge : problem.edges) {
    const auto& costs = problem.tables[static_cast<size_t>(edge.table)].cost;
    sum += *std::min_element(costs.begin(), costs.end());
  }
  return sum;
}

}  // namespace

Solution DescendSolver::solve(const Problem& problem) const {
  check_problem(problem);
  Solution solution;
  solution.solver = "descent";
  solution.choice = Descent(problem).run();
  const Value value = evaluate(problem, solution.choice);
  solution.cost = value.cost;
  solution.bytes = value.bytes;
  solution.feasible =
      value.cost < kForbidden && (!problem.memory_bound || value.bytes <= *problem.memory_bound);
  solution.lower_bound = std::min(solution.cost, sum_of_least_terms(problem));
  return solution;
}

}  // namespace partita::planner
