// SPDX-License-Identifier: Apache-2.0
#include "launch/rank_environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "support/error.h"

namespace partita::launch {
namespace {

using testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

std::optional<RankEnvironment> detect(const Variables& variables) {
  return detect_rank_environment([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

std::string refusal(const Variables& variables) {
  try {
    (void)detect(variables);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
    return e.what();
  }
  return "accepted";
}

TEST(RankEnvironment, KnowsTheVariablesOfEveryLauncher) {
  for (const Variables& variables :
       {Variables{{"RANK", "2"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "1"}},
        Variables{{"OMPI_COMM_WORLD_RANK", "2"},
                  {"OMPI_COMM_WORLD_SIZE", "4"},
                  {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}},
        Variables{{"SLURM_PROCID", "2"}, {"SLURM_NTASKS", "4"}, {"SLURM_LOCALID", "1"}}}) {
    const auto found = detect(variables);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->rank, 2);
    EXPECT_EQ(found->world_size, 4);
    EXPECT_EQ(found->local_rank, 1);
  }
  EXPECT_EQ(detect({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}})->source, "PMI");
}

TEST(RankEnvironment, NothingSetMeansNoLauncher) { EXPECT_FALSE(detect({})); }

TEST(RankEnvironment, ExplicitVariablesWinOverTheSurroundingJob) {
  const auto found =
      detect({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}, {"RANK", "3"}, {"WORLD_SIZE", "4"}});
  EXPECT_EQ(found->source, "RANK");
  EXPECT_EQ(found->rank, 3);
}

TEST(RankEnvironment, RefusesHalfASetBadNumbersAndRanksOutside) {
  EXPECT_THAT(refusal({{"RANK", "0"}}), HasSubstr("only one of RANK and WORLD_SIZE"));
  EXPECT_THAT(refusal({{"RANK", "x"}, {"WORLD_SIZE", "2"}}), HasSubstr("RANK is \"x\""));
  EXPECT_THAT(refusal({{"RANK", "-1"}, {"WORLD_SIZE", "2"}}), HasSubstr("expected a number"));
  EXPECT_THAT(refusal({{"RANK", "2"}, {"WORLD_SIZE", "2"}}), HasSubstr("below the size"));
}

}  // namespace
}  // namespace partita::launch
