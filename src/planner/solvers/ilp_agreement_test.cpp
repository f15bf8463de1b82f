// SPDX-License-Identifier: Apache-2.0
// ctest-label: slow
// Our exact solver against CBC on problems of 50 to 200 variables: two programs that share nothing
// but the problem must find the same optimum.
#include <gtest/gtest.h>

#include "planner/solvers/cbc.h"
#include "planner/solvers/ilp_solver.h"
#include "planner/solvers/random_instance.h"
#include "planner/solvers/solver_choice.h"
#include "support/error.h"

namespace partita::planner {
namespace {

constexpr double kTimeLimitSeconds = 60;  // far beyond what any of them needs

struct Tally {
  int feasible = 0;
  int bounded = 0;  // feasible, and dearer than without the bound
  int infeasible = 0;
};

void expect_same_optimum(const Problem& problem, Tally& tally) {
  ASSERT_GE(problem.variables.size(), 50U);
  ASSERT_LE(problem.variables.size(), 200U);
  const auto exact = make_solver("exact", kTimeLimitSeconds);
  const Solution ours = exact->solve(problem);
  const Solution theirs = IlpSolver(kTimeLimitSeconds).solve(problem);
  ASSERT_EQ(ours.feasible, theirs.feasible);
  if (!ours.feasible) {
    ++tally.infeasible;
    return;
  }
  EXPECT_EQ(ours.cost, theirs.cost);
  EXPECT_EQ(ours.gap(), 0) << "not proven: " << ours.solver;
  EXPECT_LE(theirs.gap(), 1.1e-9);
  for (const Solution* solution : {&ours, &theirs}) {
    EXPECT_EQ(evaluate(problem, solution->choice), (Value{solution->cost, solution->bytes}));
  }
  ++tally.feasible;
  Problem unbounded = problem;
  unbounded.memory_bound.reset();
  if (exact->solve(unbounded).cost < ours.cost) ++tally.bounded;
}

class Agreement : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cbc()) GTEST_SKIP() << "built without CBC";
  }
};

TEST_F(Agreement, OnDecodersWithAndWithoutMemoryOverTime) {
  Tally tally;
  for (uint32_t seed = 0; seed < 70; ++seed) {
    SCOPED_TRACE(str("seed ", seed));
    RandomInstance random(seed);
    const bool is_bounded = seed % 2 == 0;
    const int64_t layers = 4 + random.below(is_bounded ? 4 : 12);  // of 13 nodes each
    Problem problem = random.draw_decoder(static_cast<int>(layers), 4, 1'000, 20);
    if (seed % 4 == 0) random.add_timed_bytes(problem, 20, 20);
    if (is_bounded) problem.memory_bound = random.bound_between(problem);
    expect_same_optimum(problem, tally);
  }
  EXPECT_GE(tally.feasible, 50);
  EXPECT_GE(tally.bounded, 10);
}

TEST_F(Agreement, OnChainsOfNeighbours) {
  Tally tally;
  for (uint32_t seed = 0; seed < 80; ++seed) {
    SCOPED_TRACE(str("seed ", seed));
    RandomInstance random(seed);
    expect_same_optimum(random.draw({.least_variables = 50,
                                     .most_variables = 200,
                                     .options = 4,
                                     .edge_percent = 50,
                                     .window = 3,
                                     .largest_cost = 1'000,
                                     .largest_bytes = 20,
                                     .forbidden_percent = seed % 4 == 1 ? 2 : 0,
                                     .timed_percent = seed % 2 == 0 ? 30 : 0,
                                     .bound_percent = 60}),
                        tally);
  }
  EXPECT_GE(tally.feasible, 60);
  EXPECT_GE(tally.bounded, 10);
}

// Neighbours anywhere: about 1.2 edges per variable.
TEST_F(Agreement, OnSparseGraphs) {
  Tally tally;
  for (uint32_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(str("seed ", seed));
    RandomInstance random(seed);
    expect_same_optimum(random.draw({.least_variables = 50,
                                     .most_variables = 90,
                                     .options = 3,
                                     .edge_percent = 2,
                                     .window = 60,
                                     .largest_cost = 1'000,
                                     .largest_bytes = 20,
                                     .forbidden_percent = seed % 4 == 1 ? 2 : 0,
                                     .timed_percent = seed % 2 == 0 ? 30 : 0,
                                     .bound_percent = 60}),
                        tally);
  }
  EXPECT_GE(tally.feasible, 25);
  EXPECT_GE(tally.bounded, 5);
}

// What CBC knows when it is stopped must still be true.
TEST_F(Agreement, BoundsOfStoppedRunsHold) {
  int stopped = 0;
  for (uint32_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(str("seed ", seed));
    RandomInstance random(seed);
    Problem problem = random.draw_decoder(6, 4, 100'000, 1'000);
    problem.memory_bound = random.bound_between(problem);
    const Solution best = make_solver("exact", kTimeLimitSeconds)->solve(problem);
    ASSERT_EQ(best.gap(), 0);
    for (const double limit_s : {0.02, 0.1, 0.4}) {
      try {
        const Solution found = IlpSolver(limit_s).solve(problem);
        EXPECT_LE(found.lower_bound, best.cost);
        if (found.feasible) {
          EXPECT_GE(found.cost, best.cost);
        }
        if (found.gap() > 1e-8) ++stopped;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kDeadlineExceeded);
        ++stopped;
      }
    }
  }
  EXPECT_GE(stopped, 1) << "no run was stopped";
}

}  // namespace
}  // namespace partita::planner
