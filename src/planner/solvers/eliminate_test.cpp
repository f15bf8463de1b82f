// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/eliminate.h"

#include <gtest/gtest.h>

#include "planner/solvers/brute_force.h"
#include "planner/solvers/descend.h"
#include "planner/solvers/random_problem.h"

namespace partita::planner {
namespace {

// Both solvers must agree on feasibility, cost, bytes and the proof.
void expect_same_as_brute_force(const Problem& problem, int seed) {
  const Solution expected = BruteForceSolver().solve(problem);
  const Solution found = EliminationSolver().solve(problem);
  ASSERT_EQ(found.feasible, expected.feasible) << "seed " << seed;
  if (!expected.feasible) {
    if (!expected.choice.empty()) {
      EXPECT_EQ(found.bytes, expected.bytes) << "seed " << seed;
    }
    return;
  }
  EXPECT_EQ(found.cost, expected.cost) << "seed " << seed;
  EXPECT_EQ(found.bytes, expected.bytes) << "seed " << seed;
  EXPECT_EQ(found.gap(), 0) << "seed " << seed;
  const Value value = evaluate(problem, found.choice);
  EXPECT_EQ(value.cost, found.cost) << "seed " << seed;
  EXPECT_EQ(value.bytes, found.bytes) << "seed " << seed;
}

TEST(EliminationSolver, EqualsBruteForceOnRandomProblemsWithTies) {
  for (int seed = 0; seed < 1500; ++seed) {
    RandomProblem random(static_cast<uint32_t>(seed));
    expect_same_as_brute_force(random.draw({}), seed);
  }
}

TEST(EliminationSolver, EqualsBruteForceOnRandomProblemsWithLargeNumbers) {
  const Shape shape = {.variables = 7,
                       .options = 5,
                       .edge_percent = 25,
                       .largest_cost = int64_t{1} << 45,
                       .largest_bytes = int64_t{1} << 40,
                       .forbidden_percent = 3};
  for (int seed = 0; seed < 1000; ++seed) {
    RandomProblem random(static_cast<uint32_t>(seed));
    expect_same_as_brute_force(random.draw(shape), seed);
  }
}

// A chain of alike variables with two options each, cheap and large or dear and small: the bound
// asks for exactly the right number of small ones.
TEST(EliminationSolver, MeetsTheMemoryBoundExactlyOnALongChain) {
  constexpr int kLength = 300;
  Problem problem;
  problem.tables.push_back({2, 2, {0, 1, 1, 0}});
  for (int i = 0; i < kLength; ++i) {
    problem.variables.push_back({{10, 17}, {8, 3}});
    if (i > 0) problem.edges.push_back({i - 1, i, 0});
  }
  // 8 * 300 = 2400; each small one saves 5, so 81 are needed to reach 2000; they stand together at
  // one end of the chain and cost one change.
  problem.memory_bound = 2000;
  const Solution solution = EliminationSolver().solve(problem);
  ASSERT_TRUE(solution.feasible);
  EXPECT_EQ(solution.cost, 10 * kLength + 80 * 7 + 1);
  EXPECT_EQ(solution.bytes, 2000);
  EXPECT_EQ(solution.gap(), 0);
}

TEST(EliminationSolver, InfeasibleBoundGivesTheSmallestAssignment) {
  Problem problem;
  problem.variables.push_back({{1, 5}, {9, 4}});
  problem.variables.push_back({{1}, {3}});
  problem.memory_bound = 6;
  const Solution solution = EliminationSolver().solve(problem);
  EXPECT_FALSE(solution.feasible);
  EXPECT_EQ(solution.bytes, 7);
}

TEST(EliminationSolver, EqualCostsAreDecidedByFewerBytes) {
  Problem problem;
  problem.variables.push_back({{2, 2, 2}, {5, 3, 4}});
  EXPECT_EQ(EliminationSolver().solve(problem).choice, std::vector<int>{1});
}

TEST(DescendSolver, IsNeverBelowTheOptimumNorItsBoundAboveIt) {
  for (int seed = 0; seed < 300; ++seed) {
    const Problem problem =
        RandomProblem(static_cast<uint32_t>(seed))
            .draw({.forbidden_percent = 0, .timed_percent = seed % 2 == 0 ? 0 : 50});
    const Solution best = BruteForceSolver().solve(problem);
    const Solution found = DescendSolver().solve(problem);
    if (!found.feasible) continue;
    ASSERT_TRUE(best.feasible);
    EXPECT_GE(found.cost, best.cost);
    EXPECT_LE(found.lower_bound, best.cost);
  }
}

}  // namespace
}  // namespace partita::planner
