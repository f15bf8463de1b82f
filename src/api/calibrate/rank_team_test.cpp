// SPDX-License-Identifier: Apache-2.0
// A measuring thread that fails ends the measurement instead of letting the others wait for it.
#include "api/calibrate/rank_team.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <system_error>

#include "support/error.h"

namespace partita::api {
namespace {

constexpr RankLayout kThree{.ranks = 3, .at_once = 3};

TEST(RankTeam, AllStartTogetherAgainAndAgain) {
  std::atomic<int> begun = 0;
  run_as_ranks(kThree, [&](int, StartLine& line) {
    for (int round = 1; round <= 20; ++round) {
      ++begun;
      line.wait();
      EXPECT_GE(begun.load(), round * 3);
      line.wait();
    }
  });
  EXPECT_EQ(begun.load(), 60);
}

TEST(RankTeam, TheErrorOfOneComesOutWhileOthersWaitForIt) {
  try {
    run_as_ranks(kThree, [](int rank, StartLine& line) {
      line.wait();
      if (rank == 1) throw Error(ErrorCode::kOutOfMemory, "no more");
      for (int i = 0; i < 3; ++i) line.wait();
    });
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    EXPECT_THAT(error.what(), testing::HasSubstr("no more"));
  }
}

TEST(RankTeam, AThreadThatTheSystemRefusesIsAnErrorOfTheSystem) {
  try {
    run_as_ranks(kThree, [](int rank, StartLine& line) {
      if (rank == 2) throw std::system_error(EAGAIN, std::generic_category());
      line.wait();
    });
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kSystem);
    EXPECT_THAT(error.what(), testing::HasSubstr("cannot start a thread"));
  }
}

}  // namespace
}  // namespace partita::api
