// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/brute_force.h"

#include <optional>

#include "support/error.h"

namespace partita::planner {
namespace {

// The next assignment in lexicographic order; false after the last.
bool advance(const Problem& problem, std::vector<int>& choice) {
  for (size_t i = choice.size(); i-- > 0;) {
    if (++choice[i] < static_cast<int>(problem.variables[i].cost.size())) return true;
    choice[i] = 0;
  }
  return false;
}

void check_size(const Problem& problem) {
  double assignments = 1;
  for (const Variable& variable : problem.variables) {
    assignments *= static_cast<double>(variable.cost.size());
  }
  CHECK(assignments < 1e7, assignments, " assignments are too many for brute force");
}

}  // namespace

Solution BruteForceSolver::solve(const Problem& problem) const {
  check_problem(problem);
  check_size(problem);
  Solution best;
  best.solver = "brute force";
  std::optional<Value> best_value;
  std::optional<int64_t> least_bytes;
  std::vector<int> choice(problem.variables.size(), 0);
  do {
    const Value value = evaluate(problem, choice);
    if (value.cost >= kForbidden) continue;
    const bool fits = !problem.memory_bound || value.bytes <= *problem.memory_bound;
    const bool better = fits ? !best_value || value < *best_value
                             : !best_value && (!least_bytes || value.bytes < *least_bytes);
    if (!better) continue;
    if (fits) best_value = value;
    if (!fits) least_bytes = value.bytes;
    best.choice = choice;
    best.cost = value.cost;
    best.bytes = value.bytes;
  } while (advance(problem, choice));
  best.feasible = best_value.has_value();
  best.lower_bound = best.cost;
  return best;
}

}  // namespace partita::planner
