// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/descend.h"

#include <algorithm>

namespace partita::planner {
namespace {

class Descent {
 public:
  explicit Descent(const Problem& problem)
      : problem_(problem), edges_of_(problem.variables.size()) {
    for (const Edge& edge : problem.edges) {
      edges_of_[static_cast<size_t>(edge.first)].push_back(&edge);
      edges_of_[static_cast<size_t>(edge.second)].push_back(&edge);
    }
    for (const Variable& variable : problem.variables) {
      const auto least = std::min_element(variable.bytes.begin(), variable.bytes.end());
      choice_.push_back(static_cast<int>(least - variable.bytes.begin()));
      bytes_ += *least;
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
  // Forbidden terms count 2^60 each here, so that fewer of them are better; 2^7 fit into the key.
  [[nodiscard]] __int128 local_cost(size_t variable, int option) const {
    __int128 cost = problem_.variables[variable].cost[static_cast<size_t>(option)];
    for (const Edge* edge : edges_of_[variable]) {
      const EdgeTable& table = problem_.tables[static_cast<size_t>(edge->table)];
      cost += edge->first == static_cast<int>(variable)
                  ? table.at(option, choice_[static_cast<size_t>(edge->second)])
                  : table.at(choice_[static_cast<size_t>(edge->first)], option);
    }
    return cost;
  }

  bool improve(size_t variable) {
    const Variable& options = problem_.variables[variable];
    const int before = choice_[variable];
    __int128 least = local_cost(variable, before);
    for (int option = 0; option < static_cast<int>(options.cost.size()); ++option) {
      const int64_t bytes = bytes_ - options.bytes[static_cast<size_t>(choice_[variable])] +
                            options.bytes[static_cast<size_t>(option)];
      const bool fits =
          !problem_.memory_bound || bytes <= *problem_.memory_bound || bytes <= bytes_;
      const __int128 cost = local_cost(variable, option);
      if (!fits || cost >= least) continue;
      least = cost;
      bytes_ = bytes;
      choice_[variable] = option;
    }
    return choice_[variable] != before;
  }

  const Problem& problem_;
  std::vector<std::vector<const Edge*>> edges_of_;
  std::vector<int> choice_;
  int64_t bytes_ = 0;
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
