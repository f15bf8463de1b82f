// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/exact.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "planner/solvers/brute_force.h"
#include "planner/solvers/eliminate.h"
#include "planner/solvers/random_problem.h"

namespace partita::planner {
namespace {

const Shape kTimed = {.timed_percent = 60};

void expect_consistent(const Problem& problem, const Solution& solution, int seed) {
  const Value value = evaluate(problem, solution.choice);
  EXPECT_EQ(value.cost, solution.cost) << "seed " << seed;
  EXPECT_EQ(value.bytes, solution.bytes) << "seed " << seed;
  EXPECT_LE(solution.lower_bound, solution.cost) << "seed " << seed;
  if (solution.feasible && problem.memory_bound) {
    EXPECT_LE(solution.bytes, *problem.memory_bound) << "seed " << seed;
  }
}

// Cost and feasibility; equal costs may have other bytes.
void expect_optimal(const Problem& problem, int seed) {
  const Solution expected = BruteForceSolver().solve(problem);
  const Solution found = ExactSolver().solve(problem);
  ASSERT_EQ(found.feasible, expected.feasible) << "seed " << seed;
  if (!expected.feasible) return;
  EXPECT_EQ(found.cost, expected.cost) << "seed " << seed;
  EXPECT_EQ(found.gap(), 0) << "seed " << seed;
  expect_consistent(problem, found, seed);
}

TEST(ExactSolver, EqualsBruteForceWithAlwaysAndTimedBytes) {
  int bounded = 0;
  for (int seed = 0; seed < 1500; ++seed) {
    const Problem problem = RandomProblem(static_cast<uint32_t>(seed)).draw(kTimed);
    bounded += problem.memory_bound ? 1 : 0;
    expect_optimal(problem, seed);
  }
  EXPECT_GT(bounded, 1000);
}

TEST(ExactSolver, EqualsBruteForceWithLargeNumbers) {
  const Shape shape = {.variables = 7,
                       .options = 5,
                       .edge_percent = 25,
                       .largest_cost = int64_t{1} << 45,
                       .largest_bytes = int64_t{1} << 40,
                       .forbidden_percent = 3,
                       .timed_percent = 50};
  for (int seed = 0; seed < 500; ++seed) {
    expect_optimal(RandomProblem(static_cast<uint32_t>(seed)).draw(shape), seed);
  }
}

TEST(ExactSolver, EqualsBruteForceWithManyForbiddenPairs) {
  const Shape shape = {.edge_percent = 60, .forbidden_percent = 45, .timed_percent = 40};
  for (int seed = 0; seed < 1000; ++seed) {
    expect_optimal(RandomProblem(static_cast<uint32_t>(seed)).draw(shape), seed);
  }
}

// The same problem with the variables in another order, edges turned round and options reversed.
Problem shuffled(const Problem& problem, RandomProblem& random) {
  std::vector<int> place(problem.variables.size());
  std::iota(place.begin(), place.end(), 0);
  for (size_t i = place.size(); i > 1; --i) {
    std::swap(place[i - 1], place[static_cast<size_t>(random.below(static_cast<int64_t>(i)))]);
  }
  Problem result;
  result.memory_bound = problem.memory_bound;
  result.variables.resize(place.size());
  for (size_t i = 0; i < place.size(); ++i) {
    Variable variable = problem.variables[i];
    std::reverse(variable.cost.begin(), variable.cost.end());
    std::reverse(variable.bytes.begin(), variable.bytes.end());
    for (TimedUsage& usage : variable.timed) std::reverse(usage.bytes.begin(), usage.bytes.end());
    result.variables[static_cast<size_t>(place[i])] = std::move(variable);
  }
  for (auto edge = problem.edges.rbegin(); edge != problem.edges.rend(); ++edge) {
    const EdgeTable& table = problem.tables[static_cast<size_t>(edge->table)];
    EdgeTable turned = {table.columns, table.rows, {}};
    for (int column = table.columns; column-- > 0;) {
      for (int row = table.rows; row-- > 0;) turned.cost.push_back(table.at(row, column));
    }
    result.edges.push_back({place[static_cast<size_t>(edge->second)],
                            place[static_cast<size_t>(edge->first)],
                            static_cast<int>(result.tables.size())});
    result.tables.push_back(std::move(turned));
  }
  return result;
}

TEST(ExactSolver, OrderOfVariablesOptionsAndEdgesDoesNotChangeTheCost) {
  const Shape shape = {
      .variables = 20, .options = 6, .edge_percent = 15, .largest_cost = 1000, .timed_percent = 60};
  int feasible = 0;
  for (int seed = 0; seed < 100; ++seed) {
    RandomProblem random(static_cast<uint32_t>(seed));
    const Problem problem = random.draw(shape);
    const Solution one = ExactSolver().solve(problem);
    const Solution other = ExactSolver().solve(shuffled(problem, random));
    ASSERT_EQ(one.feasible, other.feasible) << "seed " << seed;
    if (!one.feasible) continue;
    ++feasible;
    EXPECT_EQ(one.gap(), 0) << "seed " << seed;
    EXPECT_EQ(one.cost, other.cost) << "seed " << seed;
  }
  EXPECT_GT(feasible, 30);
}

TEST(ExactSolver, CostNeverRisesWithMoreMemory) {
  const Shape shape = {
      .variables = 15, .edge_percent = 20, .largest_cost = 100, .timed_percent = 70};
  for (int seed = 0; seed < 60; ++seed) {
    Problem problem = RandomProblem(static_cast<uint32_t>(seed)).draw(shape);
    Cost before = kForbidden;
    for (int64_t bound = 0; bound < 120; bound += 10) {
      problem.memory_bound = bound;
      const Solution solution = ExactSolver().solve(problem);
      if (!solution.feasible) {
        EXPECT_EQ(before, kForbidden) << "seed " << seed << " bound " << bound;
        continue;
      }
      EXPECT_LE(solution.cost, before) << "seed " << seed << " bound " << bound;
      before = solution.cost;
    }
  }
}

TEST(ExactSolver, OutOfTimeItStillReturnsAnAssignmentAndABound) {
  const Shape shape = {.variables = 40,
                       .options = 8,
                       .edge_percent = 15,
                       .largest_cost = 1000,
                       .forbidden_percent = 0,
                       .timed_percent = 50};
  for (int seed = 0; seed < 20; ++seed) {
    Problem problem = RandomProblem(static_cast<uint32_t>(seed)).draw(shape);
    // The first options fit together.
    problem.memory_bound = evaluate(problem, std::vector<int>(problem.variables.size(), 0)).bytes;
    for (Variable& variable : problem.variables) {
      for (int64_t& bytes : variable.bytes) bytes = std::max(bytes, variable.bytes.front());
      for (TimedUsage& usage : variable.timed) {
        for (int64_t& bytes : usage.bytes) bytes = std::max(bytes, usage.bytes.front());
      }
    }
    const Solution solution = ExactSolver(0).solve(problem);
    ASSERT_TRUE(solution.feasible) << "seed " << seed;
    expect_consistent(problem, solution, seed);
  }
}

TEST(ExactSolver, MemoryOfDifferentTimesIsNotAddedUp) {
  Problem problem;
  problem.variables.push_back({{0, 5}, {0, 0}, {{{0, 2}, {8, 1}}}});
  problem.variables.push_back({{0, 5}, {0, 0}, {{{2, 4}, {8, 1}}}});
  problem.memory_bound = 8;
  EXPECT_EQ(ExactSolver().solve(problem).cost, 0);
  problem.variables[1].timed[0].live = {1, 4};
  const Solution solution = ExactSolver().solve(problem);
  EXPECT_EQ(solution.cost, 10);
  EXPECT_EQ(solution.bytes, 2);
}

TEST(ExactSolver, InfeasibleBoundGivesTheSmallestAssignment) {
  Problem problem;
  problem.variables.push_back({{1, 5}, {9, 4}, {{{0, 3}, {1, 1}}}});
  problem.variables.push_back({{1}, {3}});
  problem.memory_bound = 7;
  const Solution solution = ExactSolver().solve(problem);
  EXPECT_FALSE(solution.feasible);
  EXPECT_EQ(solution.choice, (std::vector<int>{1, 0}));
  EXPECT_EQ(solution.bytes, 8);
}

TEST(ExactSolver, WithoutAnyLegalAssignmentNothingIsFeasible) {
  Problem problem;
  problem.variables.push_back({{0, 0}, {0, 0}});
  problem.variables.push_back({{0, 0}, {0, 0}});
  problem.tables.push_back({2, 2, std::vector<Cost>(4, kForbidden)});
  problem.edges.push_back({0, 1, 0});
  EXPECT_FALSE(ExactSolver().solve(problem).feasible);
}

TEST(EliminationSolver, HonoursTimedBytes) {
  for (int seed = 0; seed < 500; ++seed) {
    const Problem problem = RandomProblem(static_cast<uint32_t>(seed)).draw(kTimed);
    const Solution expected = BruteForceSolver().solve(problem);
    const Solution found = EliminationSolver().solve(problem);
    ASSERT_EQ(found.feasible, expected.feasible) << "seed " << seed;
    if (expected.feasible) {
      EXPECT_EQ(found.cost, expected.cost) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace partita::planner
