// SPDX-License-Identifier: Apache-2.0
// Handshake, rounds and failures of a group whose ranks are played by threads or by a shell.
#include "launch/process_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <latch>

#include "launch/played_ranks.h"
#include "launch/step_codec.h"
#include "support/error.h"

namespace partita::launch {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;

// It hangs, rank 1 has waited for it.
void expect_rank_0_is_blamed(const Error& error) {
  EXPECT_EQ(error.code(), ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(error.what(),
              AllOf(HasSubstr("rank 0 (pid"), HasSubstr("rank 1: waited for its peer"),
                    testing::Not(HasSubstr("rank 1 (pid"))));
}

struct Refusal {
  ErrorCode code = ErrorCode::kInternal;
  std::string message = "started";
};

Refusal refusal_of(ProcessGroupOptions options) {
  try {
    const ProcessGroup group(std::move(options));
  } catch (const Error& e) {
    return {e.code(), e.what()};
  }
  return {};
}

Refusal refusal_of(const Script& script) {
  Players players;
  return refusal_of(options_for(players, script));
}

TEST(ProcessGroup, RanksThatAreReadyServeStepsAndReports) {
  Players players;
  ProcessGroup group(options_for(players, [](Players& ranks, const Address& address) {
    ranks.play_good_rank(address, 1, {1, 2, 3});
    ranks.play_good_rank(address, 0);
  }));
  EXPECT_EQ(group.limits().kv_blocks, 2);
  EXPECT_EQ(group.run(batch_of(1)).logits, (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(group.report().size(), 2U);
}

// Neither of them may become a rank, end the start, or keep the real ranks waiting.
TEST(ProcessGroup, StrangersAreDroppedAndHoldUpNobody) {
  Players players;
  std::vector<Channel> silent;
  std::latch heard(3);  // the ranks come later: a start that is complete hears nobody else
  const auto begin = Clock::now();
  const ProcessGroup group(options_for(players, [&](Players& ranks, const Address& address) {
    silent.push_back(connect_to(address.control));
    ranks.play([=, &heard] {
      Channel channel = greet({address.control, "guess"}, 0, 2);
      const auto refusal = next_frame(channel);
      EXPECT_TRUE(refusal && refusal->type == FrameType::kError &&
                  refusal->json("the refusal").dump().find("PARTITA_SECRET") != std::string::npos);
      EXPECT_FALSE(next_frame(channel));
      heard.count_down();
    });
    ranks.play([=, &heard] {
      Channel channel = connect_to(address.control);
      channel.send_json(FrameType::kHello, Json{{"secret", address.secret}});
      EXPECT_FALSE(next_frame(channel));
      heard.count_down();
    });
    ranks.play([=, &heard] {
      Channel channel = connect_to(address.control);
      channel.send_json(FrameType::kReady, kReady);
      EXPECT_FALSE(next_frame(channel));
      heard.count_down();
    });
    for (const int rank : {0, 1}) {
      ranks.play([=, &heard] {
        heard.wait();
        serve(greet(address, rank, 2), {});
      });
    }
  }));
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(4));
  silent.clear();
}

TEST(ProcessGroup, RanksOutsideThePlanOrTwiceAreRefused) {
  const Refusal outside = refusal_of([](Players& ranks, const Address& address) {
    ranks.play([=] { serve(greet(address, 2, 3), {}); });
  });
  EXPECT_EQ(outside.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(outside.message, AllOf(HasSubstr("came as rank 2 of 3"), HasSubstr("0 .. 1 of 2")));
  const Refusal twice = refusal_of([](Players& ranks, const Address& address) {
    ranks.play_good_rank(address, 0);
    ranks.play_good_rank(address, 0);
  });
  EXPECT_EQ(twice.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(twice.message, HasSubstr("rank 0 of 2, which is there already"));
}

TEST(ProcessGroup, ARankThatNeverConnectsIsNamedAtTheDeadline) {
  Players players;
  ProcessGroupOptions options = options_for(players, [](Players& ranks, const Address& address) {
    ranks.play_good_rank(address, 0);
    ranks.play([=] {
      (void)next_frame(*std::make_unique<Channel>(greet({address.control, "guess"}, 1, 2)));
    });
  });
  options.start_timeout = milliseconds(1000);
  const Refusal refusal = refusal_of(std::move(options));
  EXPECT_EQ(refusal.code, ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(refusal.message,
              HasSubstr("rank 1 of 2 did not connect within 1000 ms (1 that came with another"));
}

TEST(ProcessGroup, ARankThatHangsWhileLoadingIsNamedWithTheStartTimeout) {
  Players players;
  ProcessGroupOptions options = options_for(players, [](Players& ranks, const Address& address) {
    ranks.play_good_rank(address, 0);
    ranks.play_rank(address, 1, [](Channel& channel) {
      channel.send_json(FrameType::kProgress, Json{{"bytes", 3}, {"total_bytes", 8}});
    });
  });
  options.start_timeout = milliseconds(500);
  const Refusal refusal = refusal_of(std::move(options));
  EXPECT_EQ(refusal.code, ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(refusal.message,
              AllOf(HasSubstr("rank 1"), HasSubstr("within 500 ms while loading"),
                    HasSubstr("has read 3 of 8 bytes"), HasSubstr("--start-timeout-ms")));
}

TEST(ProcessGroup, AnErrorBeforeReadyKeepsItsClassAndNamesTheRank) {
  const Refusal refusal = refusal_of([](Players& ranks, const Address& address) {
    ranks.play_good_rank(address, 0);
    ranks.play_rank(address, 1, [](Channel& channel) {
      channel.send_json(FrameType::kError, Json{{"code", "out_of_memory"}, {"message", "full"}});
    });
  });
  EXPECT_EQ(refusal.code, ErrorCode::kOutOfMemory);
  EXPECT_THAT(refusal.message, HasSubstr("rank 1: full"));
}

TEST(ProcessGroup, BrokenAnswersAreTheFailureOfTheirRank) {
  const Json zero_blocks = [] {
    Json ready = kReady;
    ready["limits"]["block_size"] = 0;
    return ready;
  }();
  const std::vector<std::pair<Json, std::string>> rows = {
      {Json{{"plan_hash", "other"}, {"limits", to_json(kLimits)}}, "has plan other, expected abc"},
      {Json{{"plan_hash", "abc"}}, "limits"},
      {Json::array(), "broken message"},
      {zero_blocks, "block_size is 0"},
  };
  for (const auto& [given, message] : rows) {
    const Json& answer = given;  // clang 14 captures no structured bindings
    const Refusal refusal = refusal_of([&](Players& ranks, const Address& address) {
      ranks.play_good_rank(address, 1);
      ranks.play_rank(address, 0,
                      [answer](Channel& channel) { channel.send_json(FrameType::kReady, answer); });
    });
    EXPECT_EQ(refusal.code, ErrorCode::kRankFailed) << refusal.message;
    EXPECT_THAT(refusal.message, AllOf(HasSubstr("rank 0"), HasSubstr(message)));
  }
}

// After any failure the group is over: all channels are closed, and later calls say so.
TEST(ProcessGroup, ABrokenStepEndsTheGroup) {
  for (const bool is_garbage : {true, false}) {
    Players players;
    ProcessGroup group(options_for(players, [=](Players& ranks, const Address& address) {
      ranks.play_good_rank(address, 0);
      ranks.play_rank(address, 1, [=](Channel& channel) {
        channel.send_json(FrameType::kReady, kReady);
        (void)next_frame(channel);
        if (is_garbage) channel.send(FrameType::kStepDone, std::vector<std::byte>(9));
        if (!is_garbage) send_result(channel, std::vector<float>{1, 2});
      });
    }));
    for (const char* message : {is_garbage ? "rank 1" : "sent 2 logits, expected 3", "are gone"}) {
      try {
        (void)group.run(batch_of(1));
        ADD_FAILURE() << "no error";
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kRankFailed);
        EXPECT_THAT(e.what(), HasSubstr(message));
      }
    }
  }
}

TEST(ProcessGroup, StepsInFlightComeBackInOrderAlsoAcrossAReport) {
  Players players;
  ProcessGroup group(options_for(players, [](Players& ranks, const Address& address) {
    ranks.play([=] { serve_tokens(greet(address, 0, 2), 1, {}); });
    ranks.play([=] { serve_tokens(greet(address, 1, 2), 1, {0, 0, 0}); });
  }));
  for (int round = 0; round < 5; ++round) {
    for (const int32_t token : {0, 1, 2}) group.submit(0, batch_of(token));
    EXPECT_THROW(group.submit(0, batch_of(0)), Error);  // one too many
    if (round == 2) {
      EXPECT_EQ(group.report().size(), 2U);
    }
    for (const int32_t token : {0, 1, 2}) {
      const engine::StepResult result = group.wait();
      EXPECT_EQ(result.logits[0], static_cast<float>(token));
      ASSERT_EQ(result.spans.size(), 2U);
      EXPECT_EQ(result.spans[1].rank, 1);
      EXPECT_EQ(result.spans[1].end, 2);
    }
  }
  EXPECT_THROW((void)group.wait(), Error);  // none is in flight
}

TEST(ProcessGroup, ReplicasWorkOnTheirOwnSteps) {
  Players players;
  ProcessGroup group(options_for(players, [](Players& ranks, const Address& address) {
    ranks.play([=] { serve_tokens(greet(address, 0, 2), 2, {0, 0, 0}); });
    ranks.play([=] { serve_tokens(greet(address, 1, 2), 2, {0, 0, 0}); });
  }));
  group.submit(1, batch_of(2));
  group.submit(0, batch_of(0));
  group.submit(1, batch_of(1));
  std::vector<std::vector<float>> tokens(2);
  for (int i = 0; i < 3; ++i) {
    const engine::StepResult result = group.wait();
    tokens[static_cast<size_t>(result.replica)].push_back(result.logits[0]);
    ASSERT_EQ(result.spans.size(), 1U);
    EXPECT_EQ(result.spans[0].rank, result.replica);
  }
  EXPECT_EQ(tokens, (std::vector<std::vector<float>>{{0}, {2, 1}}));
}

// Long answers of one rank and long steps for the other fill both sockets: who only writes waits
// for ever.
TEST(ProcessGroup, LongStepsAndLongAnswersDoNotBlockEachOther) {
  constexpr int64_t kLong = 1 << 20;
  engine::RunnerLimits limits = kLimits;
  limits.vocab_size = kLong;
  limits.steps_in_flight = 4;
  const Json ready = {{"plan_hash", "abc"}, {"limits", to_json(limits)}};
  engine::StepBatch batch = batch_of(1);
  batch.block_tables.assign(kLong, 0);
  batch.blocks_per_sequence = kLong;
  Players players;
  ProcessGroupOptions options = options_for(players, [&](Players& ranks, const Address& address) {
    for (const int rank : {0, 1}) {
      ranks.play([=] {
        Channel channel = greet(address, rank, 2);
        while (const auto frame = next_frame(channel)) {
          if (frame->type == FrameType::kSetup) channel.send_json(FrameType::kReady, ready);
          if (frame->type == FrameType::kShutdown) return;
          if (frame->type != FrameType::kStep) continue;
          const std::vector<float> logits(rank == 1 ? kLong : 0, 7);
          send_result(channel, logits);
        }
      });
    }
  });
  options.step_timeout = std::chrono::seconds(20);
  ProcessGroup group(std::move(options));
  for (int i = 0; i < 4; ++i) group.submit(0, batch);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(group.wait().logits.back(), 7);
}

// The rank of the second stage says nothing, while the first has answered all steps in flight.
TEST(ProcessGroup, TheSilentRankOfAPipelineIsNamedAndTheOthersAreNot) {
  Players players;
  ProcessGroupOptions options = options_for(players, [](Players& ranks, const Address& address) {
    ranks.play([=] { serve_tokens(greet(address, 0, 2), 1, {}); });
    ranks.play_rank(address, 1,
                    [](Channel& channel) { channel.send_json(FrameType::kReady, ready_for(1)); });
  });
  options.step_timeout = milliseconds(200);
  ProcessGroup group(std::move(options));
  for (const int32_t token : {0, 1, 2}) group.submit(0, batch_of(token));
  try {
    (void)group.wait();
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kDeadlineExceeded);
    EXPECT_THAT(e.what(), AllOf(HasSubstr("rank 1"), HasSubstr("did not answer within 200 ms"),
                                testing::Not(HasSubstr("rank 0"))));
  }
  EXPECT_THROW((void)group.wait(), Error);
  EXPECT_THROW(group.submit(0, batch_of(0)), Error);
}

// A rank that waits for the silent one reports that, and is not blamed for it.
TEST(ProcessGroup, AVictimOfTheSilentRankIsNotNamedAsSilent) {
  Players players;
  ProcessGroup group(options_for(players, [](Players& ranks, const Address& address) {
    ranks.play_rank(address, 0,
                    [](Channel& channel) { channel.send_json(FrameType::kReady, ready_for(1)); });
    ranks.play_rank(address, 1, [](Channel& channel) {
      channel.send_json(FrameType::kReady, ready_for(1));
      (void)next_frame(channel);
      channel.send_json(FrameType::kError,
                        Json{{"code", "deadline_exceeded"}, {"message", "waited for its peer"}});
    });
  }));
  for (const int32_t token : {0, 1}) group.submit(0, batch_of(token));
  try {
    (void)group.wait();
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    expect_rank_0_is_blamed(e);
  }
}

// It may leave before the time of grace is over: what hangs is still its peer.
TEST(ProcessGroup, AVictimThatLeavesIsNotBlamed) {
  Players players;
  ProcessGroup group(options_for(players, [](Players& ranks, const Address& address) {
    ranks.play_rank(address, 0,
                    [](Channel& channel) { channel.send_json(FrameType::kReady, ready_for(1)); });
    ranks.play([=] {
      Channel channel = greet(address, 1, 2);
      (void)next_frame(channel);
      channel.send_json(FrameType::kReady, ready_for(1));
      (void)next_frame(channel);
      channel.send_json(FrameType::kError,
                        Json{{"code", "deadline_exceeded"}, {"message", "waited for its peer"}});
    });
  }));
  try {
    for (const int32_t token : {0, 1, 2}) group.submit(0, batch_of(token));
    (void)group.wait();
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    expect_rank_0_is_blamed(e);
  }
}

// Whatever is called after a rank has died says so.
TEST(ProcessGroup, CallsAfterADeathSayThatTheRanksAreGone) {
  Players players;
  ProcessGroup group(options_for(players, [](Players& ranks, const Address& address) {
    ranks.play_good_rank(address, 0);
    ranks.play_rank(address, 1, [](Channel& channel) {
      channel.send_json(FrameType::kReady, kReady);
      (void)next_frame(channel);
      channel.send_json(FrameType::kError, Json{{"code", "internal"}, {"message", "broken"}});
    });
  }));
  EXPECT_THROW((void)group.run(batch_of(1)), Error);
  const auto expect_gone = [](const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kRankFailed);
      EXPECT_THAT(e.what(), HasSubstr("are gone"));
    }
  };
  for (int i = 0; i < 3; ++i) {
    expect_gone([&] { group.submit(0, batch_of(1)); });
    expect_gone([&] { (void)group.wait(); });
    expect_gone([&] { (void)group.report(); });
  }
}

TEST(ProcessGroup, WhatTheProgressCallbackThrowsReachesTheCaller) {
  Players players;
  ProcessGroupOptions options = options_for(players, [](Players& ranks, const Address& address) {
    ranks.play_good_rank(address, 0);
    ranks.play_rank(address, 1, [](Channel& channel) {
      channel.send_json(FrameType::kProgress, Json{{"bytes", 1}, {"total_bytes", 2}});
    });
  });
  options.on_progress = [](int, int64_t, int64_t) { throw std::range_error("enough"); };
  EXPECT_THROW(const ProcessGroup group(options), std::range_error);
}

TEST(ProcessGroup, AWorkerThatExitsBeforeItIsReadyIsNamedWithItsCode) {
  ProcessGroupOptions options;
  options.ranks = 2;
  options.worker = {"sh", "-c", "test $RANK = 1 && exit 3; exec sleep 60"};
  options.start_timeout = std::chrono::seconds(20);
  const Refusal refusal = refusal_of(options);
  EXPECT_EQ(refusal.code, ErrorCode::kRankFailed);
  EXPECT_THAT(refusal.message, HasSubstr("rank 1 exited with code 3 before it was ready"));
}

TEST(ProcessGroup, AWorkerThatCannotBeStartedIsNamed) {
  ProcessGroupOptions options;
  options.worker = {"/nonexistent/partita", "worker"};
  const Refusal refusal = refusal_of(options);
  EXPECT_EQ(refusal.code, ErrorCode::kSystem);
  EXPECT_THAT(refusal.message, HasSubstr("/nonexistent/partita"));
}

}  // namespace
}  // namespace partita::launch
