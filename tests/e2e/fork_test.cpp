// SPDX-License-Identifier: Apache-2.0
// ctest-label: slow
// Ranks as forked processes over shared memory.
#include <gtest/gtest.h>
#include <signal.h>

#include "e2e/process_suite.h"

namespace partita::tests {
namespace {

TEST(Fork, EveryPlanOfLlamaEqualsTransformers) {
  expect_every_plan_equals_transformers("fork", "llama_odd");
}
TEST(Fork, EveryPlanOfGpt2EqualsTransformers) {
  expect_every_plan_equals_transformers("fork", "gpt2_25heads");
}
TEST(Fork, ASeedGivesTheSameText) { expect_same_sampled_text("fork", "tp=2"); }
TEST(Fork, AKilledRankIsReportedAndTheGroupIsGone) { expect_killed_rank_is_reported("fork"); }
TEST(Fork, ALostReplicaLosesNoRequest) { expect_lost_replica_loses_no_request("fork"); }
TEST(Fork, AStoppedRankIsNamedAtTheDeadline) { expect_stopped_rank_is_named("fork"); }
TEST(Fork, AStoppedStageIsNamedAndItsVictimIsNot) { expect_stopped_stage_is_named("fork"); }
TEST(Fork, CtrlCEndsTheRanksToo) { expect_a_signal_ends_everything("fork", SIGINT); }
TEST(Fork, AKilledFrontendTakesItsRanksAlong) { expect_a_signal_ends_everything("fork", SIGKILL); }
TEST(Fork, AnOrderlyEndLeavesNothing) { expect_nothing_is_left_behind("fork"); }

// As torchrun does it: one process per rank, told by RANK, WORLD_SIZE and LOCAL_RANK.
TEST(Fork, RanksStartedFromOutsideByTheirVariablesJoin) {
  expect_external_ranks_join("shm", "for i in 0 1; do RANK=$i WORLD_SIZE=2 LOCAL_RANK=$i");
}

}  // namespace
}  // namespace partita::tests
