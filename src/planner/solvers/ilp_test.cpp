// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/ilp_solver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "planner/solvers/brute_force.h"
#include "planner/solvers/cbc.h"
#include "planner/solvers/ilp_encode.h"
#include "planner/solvers/random_instance.h"
#include "planner/solvers/solver_choice.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using testing::HasSubstr;
using testing::Not;

// Two variables; the rows of their table differ by 3 in the first two options, and the third's
// second pair is forbidden.
Problem small_problem() {
  Problem problem;
  problem.variables.push_back({{5, 0, 1}, {4, 7, 9}});
  problem.variables.push_back({{2, kForbidden, 0}, {1, 1, 2}});
  problem.tables.push_back({3, 3, {1, 9, 6, 4, 9, 9, 0, 9, kForbidden}});
  problem.edges.push_back({0, 1, 0});
  problem.memory_bound = 10;
  return problem;
}

TEST(IlpEncoding, JoinsRowsThatDifferByAConstant) {
  // Rows (1, 9, 6), (4, 9, 9), (0, 9, -): column 1 is forbidden, but rows are compared whole, so
  // three classes stay; their least costs 1, 4 and 0 go to the options, which then cost 6, 4 and 1.
  // What is left is (0, 8, 5), (0, 5, 5), (0, 9, -).
  const std::string text = to_lp_text(encode_ilp(small_problem()).model);
  EXPECT_EQ(text, R"(Minimize
 cost: + 6 s_0_0 + 4 s_0_1 + 1 s_0_2 + 2 s_1_0 + 5 s_1_2
Subject To
 one_0: + 1 s_0_0 + 1 s_0_1 + 1 s_0_2 = 1
 one_1: + 1 s_1_0 + 1 s_1_1 + 1 s_1_2 = 1
 row_0_0: - 1 s_0_0 + 1 e_0_0_0 + 1 e_0_0_1 = 0
 row_0_1: - 1 s_0_1 + 1 e_0_1_0 + 1 e_0_1_1 = 0
 row_0_2: - 1 s_0_2 + 1 e_0_2_0 = 0
 column_0_0: - 1 s_1_0 + 1 e_0_0_0 + 1 e_0_1_0 + 1 e_0_2_0 = 0
 column_0_1: - 1 s_1_2 + 1 e_0_0_1 + 1 e_0_1_1 = 0
 memory_0: + 3 s_0_1 + 5 s_0_2 + 1 s_1_2 <= 5
Bounds
 s_1_1 = 0
 0 <= e_0_0_0 <= 1
 0 <= e_0_0_1 <= 1
 0 <= e_0_1_0 <= 1
 0 <= e_0_1_1 <= 1
 0 <= e_0_2_0 <= 1
Binaries
 s_0_0
 s_0_1
 s_0_2
 s_1_0
 s_1_2
End
)");
}

TEST(IlpEncoding, MpsTextHoldsTheSameProgram) {
  Problem problem;
  problem.variables.push_back({{5, kForbidden}, {4, 7}});
  problem.memory_bound = 3;
  EXPECT_EQ(to_mps_text(encode_ilp(problem).model), R"(NAME partita
ROWS
 N cost
 E one_0
 L memory_0
COLUMNS
 marker 'MARKER' 'INTORG'
 s_0_0 cost 5
 s_0_0 one_0 1
 s_0_1 cost 0
 s_0_1 one_0 1
 s_0_1 memory_0 3
 marker 'MARKER' 'INTEND'
RHS
 bound one_0 1
 bound memory_0 -1
BOUNDS
 UP b s_0_0 1
 FX b s_0_1 0
ENDATA
)");
}

// Parallel edges, one of them turned, whose sum is a cost of the row plus one of the column.
TEST(IlpEncoding, SeparableEdgesNeedNoColumns) {
  Problem problem;
  problem.variables.push_back({{0, 0}, {0, 0}});
  problem.variables.push_back({{0, 0}, {0, 0}});
  problem.tables.push_back({2, 2, {1, 5, 2, 9}});
  problem.tables.push_back({2, 2, {3, 4, 4, 2}});
  problem.edges.push_back({0, 1, 0});
  problem.edges.push_back({1, 0, 1});  // seen from 0: (3, 4), (4, 2); the sum is (4, 9), (6, 11)
  const std::string text = to_lp_text(encode_ilp(problem).model);
  EXPECT_THAT(text, HasSubstr("cost: + 4 s_0_0 + 6 s_0_1 + 5 s_1_1\n"));
  EXPECT_THAT(text, Not(HasSubstr("row_")));
  EXPECT_THAT(text, Not(HasSubstr("memory"))) << "no bound is given";
}

// Live sets over time: {0}, {0, 1}, {1}, {1, 2}, {2}, and nothing for variable 3.
TEST(IlpEncoding, MemoryRowsAreTheLargestSetsOfLiveUsages) {
  Problem problem;
  for (int i = 0; i < 4; ++i) problem.variables.push_back({{0, 0}, {0, 0}});
  problem.variables[0].timed = {{{0, 4}, {1, 2}}};
  problem.variables[1].timed = {{{2, 8}, {0, 3}}};
  problem.variables[2].timed = {{{6, 9}, {5, 0}}};
  problem.variables[3].timed = {{{7, 7}, {9, 9}}};
  problem.memory_bound = 6;
  const std::string text = to_lp_text(encode_ilp(problem).model);
  EXPECT_THAT(text, HasSubstr(" memory_0: + 1 s_0_1 + 3 s_1_1 <= 5\n"
                              " memory_1: + 3 s_1_1 + 5 s_2_0 <= 6\nBounds"));
}

TEST(IlpSolver, EqualsBruteForceOnSmallProblems) {
  if (!has_cbc()) GTEST_SKIP() << "built without CBC";
  int feasible = 0;
  int infeasible = 0;
  for (uint32_t seed = 0; seed < 300; ++seed) {
    const Problem problem =
        RandomInstance(seed).draw({.most_variables = 7, .timed_percent = seed % 2 == 0 ? 50 : 0});
    const Solution expected = BruteForceSolver().solve(problem);
    const Solution found = IlpSolver().solve(problem);
    ASSERT_EQ(found.feasible, expected.feasible) << "seed " << seed;
    (expected.feasible ? feasible : infeasible)++;
    if (expected.choice.empty()) continue;
    ASSERT_EQ(evaluate(problem, found.choice), (Value{found.cost, found.bytes})) << "seed " << seed;
    if (!expected.feasible) {
      ASSERT_EQ(found.bytes, expected.bytes) << "seed " << seed;
      continue;
    }
    ASSERT_EQ(found.cost, expected.cost) << "seed " << seed;
    ASSERT_EQ(found.lower_bound, expected.cost) << "seed " << seed;
  }
  EXPECT_GT(feasible, 150);
  EXPECT_GT(infeasible, 20);
}

// Costs and bytes as large as they come: CBC's tolerances must not cost a wrong answer, only a gap.
TEST(IlpSolver, LargeNumbersKeepTheOptimumAndShowTheTrustInCbc) {
  if (!has_cbc()) GTEST_SKIP() << "built without CBC";
  for (uint32_t seed = 0; seed < 60; ++seed) {
    const Problem problem = RandomInstance(seed).draw(
        {.most_variables = 6, .largest_cost = int64_t{1} << 50, .largest_bytes = int64_t{1} << 44});
    const Solution expected = BruteForceSolver().solve(problem);
    const Solution found = IlpSolver().solve(problem);
    ASSERT_EQ(found.feasible, expected.feasible) << "seed " << seed;
    if (!expected.feasible) continue;
    EXPECT_EQ(found.cost, expected.cost) << "seed " << seed;
    EXPECT_LE(found.lower_bound, expected.cost) << "seed " << seed;
    EXPECT_LE(found.gap(), 1.1e-9) << "seed " << seed;
  }
}

TEST(IlpSolver, NothingLegalIsInfeasible) {
  if (!has_cbc()) GTEST_SKIP() << "built without CBC";
  Problem problem;
  problem.variables.push_back({{1, kForbidden}, {0, 0}});
  problem.variables.push_back({{1}, {0}});
  problem.tables.push_back({2, 1, {kForbidden, 0}});
  problem.edges.push_back({0, 1, 0});
  const Solution solution = IlpSolver().solve(problem);
  EXPECT_FALSE(solution.feasible);
  EXPECT_EQ(solution.cost, kForbidden);
}

TEST(SolverChoice, KnowsExactAndIlpOnly) {
  const Problem problem = small_problem();  // options 2 and 0: 1 + 2 + 0, and 10 bytes
  EXPECT_EQ(make_solver("exact", 1)->solve(problem).cost, 3);
  if (has_cbc()) {
    EXPECT_EQ(make_solver("ilp", 1)->solve(problem).cost, 3);
  }
  try {
    (void)make_solver("simplex", 1);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("\"simplex\"; expected exact or ilp"));
  }
}

}  // namespace
}  // namespace partita::planner
