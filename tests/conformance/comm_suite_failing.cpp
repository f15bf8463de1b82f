// SPDX-License-Identifier: Apache-2.0
// Communicator suite: missing ranks, disagreement and cancelling.
#include <array>
#include <chrono>
#include <thread>

#include "comm_suite.h"
#include "comm_suite_values.h"

namespace partita::comm {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kShort{30};
// Generous, because the tests share their cores with others; a hang would be seen all the same.
constexpr std::chrono::seconds kSoon{5};

using GroupCall = void (*)(Communicator& group);

// All ranks but the last of a group call; each gets an error in time that names the last one.
void expect_missing(Communicator& world, CollectiveKind kind, GroupCall call) {
  // Ranks are reversed, so that ranks of the group and global ranks differ.
  const auto group = world.split(0, -world.rank());
  group->set_timeout(kShort);
  const int last = group->size() - 1;
  if (group->rank() != last) {
    const auto start = steady_clock::now();
    const std::string message = expect_error(ErrorCode::kDeadlineExceeded, [&] { call(*group); });
    const auto time = steady_clock::now() - start;
    expect(time >= kShort && time < kShort + kSoon, "the error came too early or too late");
    expect(message.find(str("] ", to_string(kind), " ")) != std::string::npos, message);
    expect(message.find(str("rank ", last, " (global rank 0)")) != std::string::npos, message);
    const std::string again = expect_error(ErrorCode::kDeadlineExceeded, [&] { group->barrier(); });
    expect(again == message, "a failed group repeats its first error");
  }
  world.barrier();
}

void a_missing_rank_is_named_by_collectives(Communicator& world) {
  expect_missing(world, CollectiveKind::kBarrier, [](Communicator& group) { group.barrier(); });
  expect_missing(world, CollectiveKind::kAllReduce, [](Communicator& group) {
    float value = 1;
    group.all_reduce(&value, &value, 1, DType::kF32, ReduceKind::kSum);
  });
  expect_missing(world, CollectiveKind::kAllGather, [](Communicator& group) {
    const std::vector<int64_t> counts(static_cast<size_t>(group.size()), 1);
    std::vector<float> values(counts.size());
    const float own = 1;
    group.all_gather(&own, values.data(), counts, DType::kF32);
  });
  expect_missing(world, CollectiveKind::kReduceScatter, [](Communicator& group) {
    const std::vector<int64_t> counts(static_cast<size_t>(group.size()), 1);
    const std::vector<float> values(counts.size());
    float own = 1;
    group.reduce_scatter(values.data(), &own, counts, DType::kF32, ReduceKind::kSum);
  });
  expect_missing(world, CollectiveKind::kAllToAll, [](Communicator& group) {
    const std::vector<int64_t> counts(static_cast<size_t>(group.size()), 1);
    const std::vector<float> in(counts.size());
    std::vector<float> out(counts.size());
    group.all_to_all(in.data(), counts, out.data(), counts, DType::kF32);
  });
}

void a_missing_rank_is_named_by_messages(Communicator& world) {
  expect_missing(world, CollectiveKind::kBroadcast, [](Communicator& group) {
    float value = 1;
    group.broadcast(&value, 1, DType::kF32, group.size() - 1);
  });
  expect_missing(world, CollectiveKind::kRecv, [](Communicator& group) {
    float value = 1;
    group.recv(&value, 1, DType::kF32, group.size() - 1);
  });
}

void a_missing_receiver_is_named(Communicator& world) {
  expect_missing(world, CollectiveKind::kSend, [](Communicator& group) {
    const std::vector<float> values(1'000'000);
    group.send(values.data(), 1'000'000, DType::kF32, group.size() - 1);
  });
}

void a_missing_rank_is_named_by_split(Communicator& world) {
  const auto group = world.split(0, 0);
  group->set_timeout(kShort);
  if (group->rank() > 0) {
    const std::string message =
        expect_error(ErrorCode::kDeadlineExceeded, [&] { (void)group->split(0, 0); });
    expect(message.find("split") != std::string::npos, message);
    expect(message.find("rank 0 (global rank 0)") != std::string::npos, message);
  }
  world.barrier();
}

void no_time_means_at_once(Communicator& world) {
  const auto group = world.split(0, 0);
  group->set_timeout(milliseconds(-1));
  if (group->rank() > 0) {
    const auto start = steady_clock::now();
    expect_error(ErrorCode::kDeadlineExceeded, [&] { group->barrier(); });
    expect(steady_clock::now() - start < kSoon, "the error came too late");
  }
  world.barrier();
}

void sub_groups_start_with_the_timeout_of_their_parent(Communicator& world) {
  const auto parent = world.split(0, 0);
  parent->set_timeout(milliseconds(2500));
  const auto group = parent->split(0, 0);
  group->barrier();
  parent->set_timeout(kShort);
  const auto brief = parent->split(0, 0);
  if (brief->rank() > 0) {
    const auto start = steady_clock::now();
    expect_error(ErrorCode::kDeadlineExceeded, [&] { brief->barrier(); });
    expect(steady_clock::now() - start < kSoon, "the parent's timeout was not taken over");
  }
  group->barrier();
  world.barrier();
}

void disagreeing_sizes_are_noticed(Communicator& world) {
  const auto group = world.split(0, 0);
  group->set_timeout(kSoon);
  std::vector<float> values(8);
  expect_error(ErrorCode::kInvalidArgument, [&] {
    group->all_reduce(values.data(), values.data(), group->rank() == 0 ? 4 : 5, DType::kF32,
                      ReduceKind::kSum);
  });
  const auto pair = world.split(world.rank() < 2 ? 0 : -1, 0);
  if (pair && pair->rank() == 0) pair->send(values.data(), 3, DType::kF32, 1);
  if (pair && pair->rank() == 1) {
    expect_error(ErrorCode::kInvalidArgument,
                 [&] { pair->recv(values.data(), 4, DType::kF32, 0); });
  }
  world.barrier();
}

// Wrong use by the program itself, before anything is sent: the group stays good.
void impossible_arguments_are_refused(Communicator& world) {
  float value = 0;
  const std::vector<int64_t> wrong(static_cast<size_t>(world.size()) + 1, 1);
  const auto refused = [](auto body) { expect_error(ErrorCode::kInternal, body); };
  refused([&] { world.broadcast(&value, 1, DType::kF32, world.size()); });
  refused([&] { world.send(&value, 1, DType::kF32, -1); });
  refused([&] { world.all_reduce(&value, &value, -1, DType::kF32, ReduceKind::kSum); });
  refused([&] { world.all_gather(&value, &value, wrong, DType::kF32); });
  world.barrier();
}

// The last rank never calls. The others are cancelled by a thread of their own; it makes no
// difference whether that comes before or in the call.
void cancel_ends_current_and_later_calls(Communicator& world) {
  const auto group = world.split(0, 0);
  world.barrier();
  if (world.rank() == world.size() - 1) return;
  const auto start = steady_clock::now();
  std::thread canceller([&] {
    std::this_thread::sleep_for(kShort);
    world.cancel();
  });
  int32_t value = 1;
  const auto reduce = [&] { group->all_reduce(&value, &value, 1, DType::kI32, ReduceKind::kSum); };
  std::string message;
  try {
    message = expect_error(ErrorCode::kCancelled, reduce);
  } catch (...) {
    canceller.join();
    throw;
  }
  canceller.join();
  expect(message.find("all_reduce") != std::string::npos, message);
  expect(steady_clock::now() - start < kSoon, "the cancel came too late");
  expect_error(ErrorCode::kCancelled, reduce);
  expect_error(ErrorCode::kCancelled, [&] { world.barrier(); });
}

constexpr std::array<SuiteCase, 8> kCases = {{
    {"AMissingRankIsNamedByCollectives", 2, a_missing_rank_is_named_by_collectives},
    {"AMissingRankIsNamedByMessages", 2, a_missing_rank_is_named_by_messages},
    {"AMissingReceiverIsNamed", 2, a_missing_receiver_is_named},
    {"AMissingRankIsNamedBySplit", 2, a_missing_rank_is_named_by_split},
    {"NoTimeMeansAtOnce", 2, no_time_means_at_once},
    {"SubGroupsStartWithTheTimeoutOfTheirParent", 2,
     sub_groups_start_with_the_timeout_of_their_parent},
    {"DisagreeingSizesAreNoticed", 2, disagreeing_sizes_are_noticed},
    {"ImpossibleArgumentsAreRefused", 1, impossible_arguments_are_refused},
}};

constexpr std::array<SuiteCase, 1> kEndingCases = {{
    {"CancelEndsCurrentAndLaterCalls", 2, cancel_ends_current_and_later_calls},
}};

}  // namespace

std::span<const SuiteCase> failing_cases() { return kCases; }

std::span<const SuiteCase> ending_cases() { return kEndingCases; }

}  // namespace partita::comm
