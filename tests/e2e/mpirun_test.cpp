// SPDX-License-Identifier: Apache-2.0
// ctest-label: mpi
// Ranks as processes that mpirun starts, over MPI.
#include <gtest/gtest.h>

#include "e2e/process_suite.h"

namespace partita::tests {
namespace {

TEST(Mpirun, TensorParallelEqualsTransformers) { expect_processes_equal_transformers("mpirun", "tp=3"); }
TEST(Mpirun, StagesOfTensorParallelRanksEqualTransformers) {
  expect_processes_equal_transformers("mpirun", "pp=2,tp=2");
}
TEST(Mpirun, ASeedGivesTheSameText) { expect_same_sampled_text("mpirun", "tp=2"); }
TEST(Mpirun, AKilledRankIsReportedAndTheGroupIsGone) { expect_killed_rank_is_reported("mpirun"); }
TEST(Mpirun, AStoppedRankIsNamedAtTheDeadline) { expect_stopped_rank_is_named("mpirun"); }
TEST(Mpirun, AnOrderlyEndLeavesNothing) { expect_nothing_is_left_behind("mpirun"); }

}  // namespace
}  // namespace partita::tests
