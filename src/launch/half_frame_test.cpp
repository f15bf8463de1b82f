// SPDX-License-Identifier: Apache-2.0
// A rank that stops in the middle of a message: the others are heard, and it is named when its time
// is over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "launch/played_ranks.h"
#include "support/error.h"

namespace partita::launch {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// The bytes of an answer to a step, as they cross the channel.
std::vector<std::byte> answer_bytes() {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Channel from(ends[0]);
  const Channel to(ends[1]);
  send_result(from, std::vector<float>{1, 2, 3});
  std::vector<std::byte> bytes(1000);
  const ssize_t count = recv(to.fd(), bytes.data(), bytes.size(), 0);
  EXPECT_GT(count, 16);  // more than a header
  bytes.resize(static_cast<size_t>(count));
  return bytes;
}

void send_bytes(Channel& channel, std::span<const std::byte> bytes) {
  (void)::send(channel.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

// Becomes ready, takes a step and sends all but the end of the answer.
void answer_in_part(Channel& channel, int64_t replicas) {
  if (next_frame(channel)) channel.send_json(FrameType::kReady, ready_for(replicas));
  (void)next_frame(channel);
  const std::vector<std::byte> bytes = answer_bytes();
  send_bytes(channel, std::span(bytes).first(bytes.size() - 5));
}

void wait_for_end(Channel& channel) {
  while (const auto frame = next_frame(channel)) {
    if (frame->type == FrameType::kShutdown) return;
  }
}

std::string error_of(ProcessGroup& group) {
  try {
    (void)group.wait();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// Rank 0 is a replica that stops half way; rank 1 is another one, which answers after that.
ProcessGroupOptions stop_then_answer(Players& players, std::latch& is_half_way) {
  return options_for(players, [&](Players& ranks, const Address& address) {
    ranks.play([=, &is_half_way] {
      Channel channel = greet(address, 0, 2);
      answer_in_part(channel, 2);
      is_half_way.count_down();
      wait_for_end(channel);
    });
    ranks.play([=, &is_half_way] {
      Channel channel = greet(address, 1, 2);
      if (next_frame(channel)) channel.send_json(FrameType::kReady, ready_for(2));
      is_half_way.wait();
      serve_tokens(std::move(channel), 2, {0, 0, 0});
    });
  });
}

TEST(HalfFrame, OthersAreHeardMeanwhile) {
  std::latch is_half_way(1);
  Players players;
  ProcessGroupOptions options = stop_then_answer(players, is_half_way);
  options.step_timeout = std::chrono::minutes(5);
  ProcessGroup group(std::move(options));
  group.submit(0, batch_of(9));
  for (const int32_t token : {0, 1, 2}) {
    group.submit(1, batch_of(token));
    const engine::StepResult result = group.wait();
    EXPECT_EQ(result.replica, 1);
    EXPECT_EQ(result.logits.at(0), static_cast<float>(token));
  }
}

TEST(HalfFrame, ItsRankIsNamedAtTheDeadline) {
  std::latch is_half_way(1);
  Players players;
  ProcessGroupOptions options = stop_then_answer(players, is_half_way);
  options.step_timeout = milliseconds(200);
  ProcessGroup group(std::move(options));
  group.submit(0, batch_of(9));
  const engine::StepResult lost = group.wait();
  EXPECT_EQ(lost.replica, 0);
  EXPECT_THAT(lost.loss, AllOf(HasSubstr("rank 0 (pid"), HasSubstr("in the middle of a message"),
                               HasSubstr("did not answer within 200 ms")));
  group.submit(1, batch_of(7));
  EXPECT_EQ(group.wait().logits.at(0), 7);
}

// Two ranks of one replica: the one that dies is named at once, long before the deadline.
TEST(HalfFrame, TheDeathOfAnotherRankIsSeenAtOnce) {
  std::latch is_half_way(1);
  Players players;
  ProcessGroupOptions options = options_for(players, [&](Players& ranks, const Address& address) {
    ranks.play([=, &is_half_way] {
      Channel channel = greet(address, 0, 2);
      answer_in_part(channel, 1);
      is_half_way.count_down();
      wait_for_end(channel);
    });
    ranks.play([=, &is_half_way] {
      Channel channel = greet(address, 1, 2);
      if (next_frame(channel)) channel.send_json(FrameType::kReady, ready_for(1));
      (void)next_frame(channel);
      is_half_way.wait();
    });
  });
  options.step_timeout = std::chrono::minutes(5);
  ProcessGroup group(std::move(options));
  group.submit(0, batch_of(0));
  EXPECT_THAT(error_of(group), AllOf(HasSubstr("rank 1 (pid"), HasSubstr("closed its control"),
                                     Not(HasSubstr("rank 0"))));
}

// Bytes that come one by one do not put off the deadline for ever.
TEST(HalfFrame, ARankThatTricklesIsNamedToo) {
  std::atomic<bool> is_over = false;
  Players players;
  ProcessGroupOptions options = options_for(players, [&](Players& ranks, const Address& address) {
    ranks.play([=] { serve_tokens(greet(address, 0, 2), 1, {}); });
    ranks.play([=, &is_over] {
      Channel channel = greet(address, 1, 2);
      if (next_frame(channel)) channel.send_json(FrameType::kReady, ready_for(1));
      (void)next_frame(channel);
      const std::vector<std::byte> bytes = answer_bytes();
      for (size_t i = 0; i < bytes.size() && !is_over; ++i) {
        send_bytes(channel, std::span(bytes).subspan(i, 1));
        std::this_thread::sleep_for(milliseconds(50));
      }
    });
  });
  options.step_timeout = milliseconds(300);
  ProcessGroup group(std::move(options));
  group.submit(0, batch_of(0));
  EXPECT_THAT(error_of(group), AllOf(HasSubstr("rank 1 (pid"), HasSubstr("did not answer"),
                                     Not(HasSubstr("rank 0"))));
  is_over = true;
}

// One message that takes longer than the deadline leaves, and ends within its own time.
TEST(HalfFrame, AMessageThatHasBegunMayEnd) {
  Players players;
  ProcessGroupOptions options = options_for(players, [&](Players& ranks, const Address& address) {
    ranks.play([=] { serve_tokens(greet(address, 0, 2), 1, {}); });
    ranks.play([=] {
      Channel channel = greet(address, 1, 2);
      answer_in_part(channel, 1);
      std::this_thread::sleep_for(milliseconds(350));  // over the deadline
      const std::vector<std::byte> bytes = answer_bytes();
      send_bytes(channel, std::span(bytes).last(5));
      wait_for_end(channel);
    });
  });
  options.step_timeout = milliseconds(250);
  ProcessGroup group(std::move(options));
  group.submit(0, batch_of(0));
  EXPECT_EQ(group.wait().logits, (std::vector<float>{1, 2, 3}));
}

// Whoever connects and says half a hello.
TEST(HalfFrame, StrangersThatStopInTheMiddleHoldUpNobody) {
  Players players;
  std::vector<Channel> strangers;
  const ProcessGroup group(options_for(players, [&](Players& ranks, const Address& address) {
    const std::vector<std::byte> bytes = answer_bytes();
    for (size_t size = 1; size <= 30; ++size) {
      strangers.push_back(connect_to(address.control));
      send_bytes(strangers.back(), std::span(bytes).first(size));
    }
    for (const int rank : {0, 1}) ranks.play_good_rank(address, rank);
  }));
  EXPECT_EQ(group.limits().vocab_size, kLimits.vocab_size);
  strangers.clear();
}

}  // namespace
}  // namespace partita::launch
