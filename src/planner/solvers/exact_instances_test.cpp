// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>

#include "planner/iopddl.h"
#include "planner/solvers/exact.h"

namespace partita::planner {
namespace {

Solution solve(const char* name) {
  const auto path = std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data/iopddl" / name;
  const Problem problem = to_problem(read_iopddl(path));
  Solution solution = ExactSolver(300).solve(problem);
  const Value value = evaluate(problem, solution.choice);
  EXPECT_EQ(value.cost, solution.cost);
  EXPECT_LE(value.bytes, *problem.memory_bound);
  return solution;
}

// The optimum that Gurobi proved.
TEST(ExactSolverOnPublicInstances, ProvesTheOptimumOfB) {
  const Solution solution = solve("B.json.gz");
  EXPECT_TRUE(solution.feasible);
  EXPECT_EQ(solution.cost, 532843);
  EXPECT_EQ(solution.lower_bound, 532843);
}

// Two teams found this cost; the bound known before was 216931.
TEST(ExactSolverOnPublicInstances, ProvesTheOptimumOfG) {
  const Solution solution = solve("G.json.gz");
  EXPECT_TRUE(solution.feasible);
  EXPECT_EQ(solution.cost, 217039);
  EXPECT_EQ(solution.lower_bound, 217039);
}

TEST(ExactSolverOnPublicInstances, TwoRunsGiveTheSameChoice) {
  EXPECT_EQ(solve("B.json.gz").choice, solve("B.json.gz").choice);
}

}  // namespace
}  // namespace partita::planner
