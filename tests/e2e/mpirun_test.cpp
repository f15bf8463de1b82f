// SPDX-License-Identifier: Apache-2.0
// ctest-label: mpi
// Ranks as processes that mpirun starts, over MPI.
#include <gtest/gtest.h>
#include <signal.h>

#include "e2e/process_suite.h"

namespace partita::tests {
namespace {

TEST(Mpirun, EveryPlanOfLlamaEqualsTransformers) {
  expect_every_plan_equals_transformers("mpirun", "llama_odd");
}
TEST(Mpirun, EveryPlanOfGpt2EqualsTransformers) {
  expect_every_plan_equals_transformers("mpirun", "gpt2_25heads");
}
TEST(Mpirun, ASeedGivesTheSameText) { expect_same_sampled_text("mpirun", "tp=2"); }
TEST(Mpirun, AKilledRankIsReportedAndTheGroupIsGone) { expect_killed_rank_is_reported("mpirun"); }
TEST(Mpirun, AStoppedRankIsNamedAtTheDeadline) { expect_stopped_rank_is_named("mpirun"); }
TEST(Mpirun, CtrlCEndsTheRanksToo) { expect_a_signal_ends_everything("mpirun", SIGINT); }
TEST(Mpirun, AnOrderlyEndLeavesNothing) { expect_nothing_is_left_behind("mpirun"); }

// Ranks that somebody else starts: here by hand under mpirun, with the variables that the frontend
// tells.
TEST(Mpirun, RanksStartedFromOutsideJoin) {
  expect_external_ranks_join("mpi",
                             "mpirun -n 2 --oversubscribe --bind-to none --allow-run-as-root");
}

}  // namespace
}  // namespace partita::tests
