// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/exact.h"

#include <algorithm>

#include "planner/solvers/descend.h"
#include "planner/solvers/reduce/memory_rows.h"
#include "planner/solvers/reduce/reducer.h"
#include "planner/solvers/search/neighbourhoods.h"
#include "planner/solvers/search/tree_search.h"

namespace partita::planner {
namespace {

constexpr int64_t kMaxEntries = int64_t{1} << 17;
// Table entries of the first tree (a second or so: enough for problems whose bound is tight), and
// how much larger the next ones are.
constexpr int64_t kFirstTree = 3'000'000'000;
constexpr int64_t kTreeGrowth = 4;
// Of dual ascent at the root.
constexpr int kFirstSteps = 400;
constexpr int kMostSteps = 1600;

// The legal assignment that occupies least, all times added up: what is shown when nothing fits.
Problem bytes_only(const Problem& problem) {
  Problem result;
  for (const Variable& variable : problem.variables) {
    std::vector<Cost> bytes(variable.bytes);
    for (const TimedUsage& usage : variable.timed) {
      for (size_t i = 0; i < bytes.size(); ++i) bytes[i] += usage.bytes[i];
    }
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (variable.cost[i] >= kForbidden) bytes[i] = kForbidden;
    }
    result.variables.push_back({std::move(bytes), std::vector<int64_t>(variable.bytes.size(), 0)});
  }
  result.edges = problem.edges;
  result.tables = problem.tables;
  for (EdgeTable& table : result.tables) {
    for (Cost& cost : table.cost) cost = cost >= kForbidden ? kForbidden : 0;
  }
  return result;
}

Solution solution_of(const Problem& problem, std::vector<int> choice) {
  Solution solution;
  solution.solver = "branch and bound";
  solution.choice = std::move(choice);
  const Value value = evaluate(problem, solution.choice);
  solution.cost = value.cost;
  solution.bytes = value.bytes;
  solution.feasible =
      value.cost < kForbidden && (!problem.memory_bound || value.bytes <= *problem.memory_bound);
  return solution;
}

// Trees of growing size, between them neighbourhoods. Returns the bound.
Cost search(const Network& core, const Deadline& deadline, Incumbent& incumbent) {
  Neighbourhoods neighbourhoods(core, incumbent);
  Cost bound = -kForbidden;
  TreeLimits tree = {.deadline = deadline,
                     .max_work = kFirstTree,
                     .max_entries = kMaxEntries,
                     .root_steps = kFirstSteps};
  while (true) {
    bound = std::max(bound, TreeSearch(incumbent, tree).run(core));
    if (bound >= incumbent.cost || deadline.is_over()) return bound;
    if (incumbent.cost < kForbidden) {
      neighbourhoods.run({.deadline = deadline, .max_entries = kMaxEntries});
    }
    tree.max_work *= kTreeGrowth;
    tree.root_steps = std::min(2 * tree.root_steps, kMostSteps);
  }
}

}  // namespace

Solution ExactSolver::solve(const Problem& problem) const {
  check_problem(problem);
  const Deadline deadline(time_limit_s_);
  Network network = make_network(problem);
  Reducer(network).run();
  Incumbent incumbent;
  Cost bound = kForbidden;
  if (!network.is_infeasible) {
    compact_rows(network);
    bound = search(core_of(network), deadline, incumbent);
  }
  if (incumbent.cost < kForbidden) {
    Solution solution = solution_of(problem, network.original_choice(incumbent.choice));
    solution.lower_bound = std::clamp<Cost>(bound, 0, solution.cost);
    return solution;
  }
  const bool is_infeasible = bound >= kForbidden;
  Solution simple = DescendSolver().solve(problem);
  simple.lower_bound = std::clamp<Cost>(bound, 0, simple.cost);
  if (!is_infeasible || !problem.memory_bound) return simple;
  return solution_of(problem, solve(bytes_only(problem)).choice);
}

}  // namespace partita::planner
