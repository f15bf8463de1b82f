// SPDX-License-Identifier: Apache-2.0
// ctest-label: slow
// Ranks as forked processes over shared memory.
#include <gtest/gtest.h>

#include "e2e/process_suite.h"

namespace partita::tests {
namespace {

TEST(Fork, TensorParallelEqualsTransformers) { expect_processes_equal_transformers("fork", "tp=3"); }
TEST(Fork, MoreRanksThanCoresEqualsTransformers) { expect_processes_equal_transformers("fork", "tp=8"); }
TEST(Fork, StagesEqualTransformers) { expect_processes_equal_transformers("fork", "pp=2"); }
TEST(Fork, StagesOfTensorParallelRanksEqualTransformers) { expect_processes_equal_transformers("fork", "pp=2,tp=3"); }
TEST(Fork, ASeedGivesTheSameText) { expect_same_sampled_text("fork", "tp=2"); }
TEST(Fork, AKilledRankIsReportedAndTheGroupIsGone) { expect_killed_rank_is_reported("fork"); }
TEST(Fork, AStoppedRankIsNamedAtTheDeadline) { expect_stopped_rank_is_named("fork"); }
TEST(Fork, AnOrderlyEndLeavesNothing) { expect_nothing_is_left_behind("fork"); }

}  // namespace
}  // namespace partita::tests
