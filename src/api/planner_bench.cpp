// SPDX-License-Identifier: Apache-2.0
// Solves public instances with the planner's solvers and checks what they claim.
#include "partita/planner_bench.h"

#include <chrono>

#include "planner/iopddl.h"
#include "planner/iopddl_score.h"
#include "planner/solvers/ilp_export.h"
#include "planner/solvers/solver_choice.h"
#include "support/error.h"

namespace partita {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool verify(const planner::IopddlInstance& instance, const planner::Solution& solution) {
  if (!solution.feasible) return true;
  const planner::IopddlScore found = planner::score(instance, solution.choice);
  return found.is_feasible && found.cost == solution.cost && found.peak_usage == solution.bytes &&
         solution.lower_bound <= solution.cost;
}

}  // namespace

InstanceBenchResult bench_instance(const InstanceBenchOptions& options) {
  constexpr double kMostSeconds = 1e6;  // eleven days; clocks cannot count to infinity
  if (!(options.time_limit_seconds > 0 && options.time_limit_seconds <= kMostSeconds)) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[bench] the time limit is ", options.time_limit_seconds,
                    " seconds; expected a number above 0, up to ", kMostSeconds));
  }
  const auto solver = planner::make_solver(options.solver, options.time_limit_seconds);
  InstanceBenchResult result;
  const auto start = std::chrono::steady_clock::now();
  const planner::IopddlInstance instance = planner::read_iopddl(options.file);
  const planner::Problem problem = planner::to_problem(instance);
  result.read_seconds = seconds_since(start);
  result.name = instance.name;
  result.nodes = static_cast<int64_t>(instance.nodes.size());
  result.edges = static_cast<int64_t>(instance.edges.size());
  result.usage_limit = instance.usage_limit;
  if (!options.export_ilp.empty()) planner::export_ilp(problem, options.export_ilp);

  const auto solve_start = std::chrono::steady_clock::now();
  const planner::Solution solution = solver->solve(problem);
  result.solve_seconds = seconds_since(solve_start);
  result.solver = solution.solver;
  result.feasible = solution.feasible;
  result.cost = solution.cost;
  result.peak_usage = solution.bytes;
  result.lower_bound = solution.lower_bound;
  result.gap = solution.gap();
  result.verified = verify(instance, solution);
  return result;
}

}  // namespace partita
