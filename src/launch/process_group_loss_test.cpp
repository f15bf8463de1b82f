// SPDX-License-Identifier: Apache-2.0
// Groups of several replicas that lose some.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <set>
#include <thread>
#include <utility>

#include "launch/played_ranks.h"
#include "support/error.h"

namespace partita::launch {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Two replicas of one rank each, the first of which is played by `first`.
ProcessGroupOptions two_replicas(Players& players, std::function<void(Channel&)> first) {
  return options_for(players, [first](Players& ranks, const Address& address) {
    ranks.play([=] {
      Channel channel = greet(address, 0, 2);
      if (next_frame(channel)) channel.send_json(FrameType::kReady, ready_for(2));
      first(channel);
    });
    ranks.play([=] { serve_tokens(greet(address, 1, 2), 2, {0, 0, 0}); });
  });
}

// Both replicas have a step; the first one is lost, in whichever order that is told.
void expect_first_is_lost(ProcessGroup& group, const std::string& why) {
  group.submit(0, batch_of(1));
  group.submit(1, batch_of(2));
  std::set<int> told;
  for (int i = 0; i < 2; ++i) {
    const engine::StepResult result = group.wait();
    told.insert(result.replica);
    if (result.replica == 0) {
      EXPECT_THAT(result.loss, AllOf(HasSubstr("rank 0 (pid"), HasSubstr(why),
                                     HasSubstr("replica 0 was stopped, the others go on")));
    } else {
      EXPECT_EQ(result.loss, "");
      EXPECT_EQ(result.logits[0], 2);
    }
  }
  EXPECT_EQ(told, (std::set<int>{0, 1}));
}

void expect_second_goes_on(ProcessGroup& group) {
  group.submit(0, batch_of(7));  // goes nowhere
  for (const int32_t token : {0, 1, 2}) group.submit(1, batch_of(token));
  for (const int32_t token : {0, 1, 2}) {
    const engine::StepResult result = group.wait();
    EXPECT_EQ(result.replica, 1);
    EXPECT_EQ(result.logits[0], static_cast<float>(token));
  }
  const std::vector<engine::RankReport> reports = group.report();
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_TRUE(reports[0].is_lost);
  EXPECT_FALSE(reports[1].is_lost);
}

TEST(ProcessGroupLoss, ARankThatLeavesEndsItsReplicaOnly) {
  Players players;
  ProcessGroup group(two_replicas(players, [](Channel& channel) { (void)next_frame(channel); }));
  expect_first_is_lost(group, "closed its control channel");
  expect_second_goes_on(group);
}

TEST(ProcessGroupLoss, ARankThatWasGoneBeforeItsStepEndsItsReplicaOnly) {
  std::latch started(1);
  std::latch left(1);
  Players players;
  ProcessGroup group(two_replicas(players, [&](Channel& channel) {
    started.wait();
    (void)Channel(std::move(channel));  // closes it
    left.count_down();
  }));
  started.count_down();
  left.wait();
  expect_first_is_lost(group, "closed its control channel");
  expect_second_goes_on(group);
}

TEST(ProcessGroupLoss, ARankThatHangsEndsItsReplicaOnly) {
  Players players;
  ProcessGroupOptions options = two_replicas(players, stay_silent);
  options.step_timeout = std::chrono::milliseconds(300);
  ProcessGroup group(std::move(options));
  expect_first_is_lost(group, "did not answer within 300 ms");
  expect_second_goes_on(group);
}

// Answers of others that are there to be read put off nothing.
TEST(ProcessGroupLoss, ARankThatHangsIsFoundWhileOthersAnswer) {
  Players players;
  ProcessGroupOptions options = two_replicas(players, stay_silent);
  options.step_timeout = std::chrono::milliseconds(200);
  ProcessGroup group(std::move(options));
  group.submit(0, batch_of(1));
  group.submit(1, batch_of(2));
  EXPECT_EQ(group.wait().logits[0], 2);
  group.submit(1, batch_of(0));
  std::this_thread::sleep_for(std::chrono::milliseconds(400));  // the deadline passes, answers come
  const engine::StepResult lost = group.wait();
  EXPECT_EQ(lost.replica, 0);
  EXPECT_THAT(lost.loss, HasSubstr("did not answer within 200 ms"));
  const engine::StepResult answer = group.wait();
  EXPECT_EQ(answer.replica, 1);
  EXPECT_EQ(answer.logits[0], 0);
}

TEST(ProcessGroupLoss, AnErrorOfARankEndsItsReplicaOnly) {
  Players players;
  ProcessGroup group(two_replicas(players, [](Channel& channel) {
    (void)next_frame(channel);
    channel.send_json(FrameType::kError, Json{{"code", "internal"}, {"message", "no such thing"}});
    stay_silent(channel);
  }));
  group.submit(0, batch_of(1));
  const engine::StepResult result = group.wait();
  EXPECT_EQ(result.replica, 0);
  EXPECT_THAT(result.loss, HasSubstr("rank 0: no such thing"));
  expect_second_goes_on(group);
}

// Two replicas of two ranks; the second rank of the first one leaves.
TEST(ProcessGroupLoss, WithARankGoItsPeersAndNobodyElse) {
  Players players;
  ProcessGroupOptions options = options_for(players, [](Players& ranks, const Address& address) {
    for (const int rank : {0, 2, 3}) {
      const std::vector<float> logits(rank == 3 ? 3U : 0U);
      ranks.play([=] { serve_tokens(greet(address, rank, 4), 2, logits); });
    }
    ranks.play([=] {
      Channel channel = greet(address, 1, 4);
      if (next_frame(channel)) channel.send_json(FrameType::kReady, ready_for(2));
      (void)next_frame(channel);
    });
  });
  options.ranks = 4;
  ProcessGroup group(std::move(options));
  group.submit(0, batch_of(1));
  const engine::StepResult lost = group.wait();
  EXPECT_EQ(lost.replica, 0);
  EXPECT_THAT(lost.loss, AllOf(HasSubstr("rank 1 (pid"), HasSubstr("replica 0 was stopped")));
  for (const int32_t token : {0, 1, 2}) group.submit(1, batch_of(token));
  for (const int32_t token : {0, 1, 2}) {
    const engine::StepResult result = group.wait();
    EXPECT_EQ(result.replica, 1);
    EXPECT_EQ(result.logits.at(0), static_cast<float>(token));
  }
  std::vector<bool> is_lost;
  for (const engine::RankReport& report : group.report()) is_lost.push_back(report.is_lost);
  EXPECT_EQ(is_lost, (std::vector<bool>{true, true, false, false}));
}

TEST(ProcessGroupLoss, WrongAnswersEndTheReplicaOnly) {
  for (const bool is_garbage : {true, false}) {
    Players players;
    ProcessGroup group(two_replicas(players, [=](Channel& channel) {
      (void)next_frame(channel);
      if (is_garbage) channel.send(FrameType::kStepDone, std::vector<std::byte>(9));
      if (!is_garbage) send_result(channel, std::vector<float>{1, 2});
      stay_silent(channel);
    }));
    group.submit(0, batch_of(1));
    const engine::StepResult result = group.wait();
    EXPECT_EQ(result.replica, 0);
    EXPECT_THAT(result.loss, HasSubstr(is_garbage ? "sent a broken message" : "expected 3"));
    expect_second_goes_on(group);
  }
}

// Whoever has started an MPI job: MPI ends it with any of its ranks.
TEST(ProcessGroupLoss, RanksOfOneMpiJobEndTogether) {
  Players players;
  ProcessGroupOptions options =
      two_replicas(players, [](Channel& channel) { (void)next_frame(channel); });
  options.has_shared_world = true;
  ProcessGroup group(std::move(options));
  group.submit(1, batch_of(2));
  EXPECT_EQ(group.wait().logits[0], 2);
  group.submit(0, batch_of(1));
  for (const char* message : {"rank 0 (pid", "are gone"}) {
    try {
      (void)group.wait();
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kRankFailed);
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }
}

TEST(ProcessGroupLoss, WithTheLastReplicaTheGroupEnds) {
  Players players;
  ProcessGroup group(options_for(players, [](Players& ranks, const Address& address) {
    for (const int rank : {0, 1}) {
      ranks.play([=] {
        Channel channel = greet(address, rank, 2);
        if (next_frame(channel)) channel.send_json(FrameType::kReady, ready_for(2));
        (void)next_frame(channel);
      });
    }
  }));
  group.submit(0, batch_of(1));
  EXPECT_NE(group.wait().loss, "");
  for (const char* message : {"rank 1 (pid", "are gone"}) {
    try {
      group.submit(1, batch_of(1));
      (void)group.wait();
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kRankFailed);
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }
}

}  // namespace
}  // namespace partita::launch
