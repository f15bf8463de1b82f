// SPDX-License-Identifier: Apache-2.0
// The communicator suite over virtual ranks (threads), and what is special about them.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "comm/local/local.h"
#include "comm_suite.h"
#include "support/error.h"

namespace partita::comm {
namespace {

// Small slots, so that most tensors need several.
constexpr RegionOptions kSmallSlots{.slot_bytes = 4096, .splits = 80};

std::vector<std::string> run_on_threads(const SuiteCase& suite_case, int ranks) {
  const auto groups = make_local_group(ranks, kSmallSlots);
  std::vector<std::string> failures(groups.size());
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < groups.size(); ++rank) {
    threads.emplace_back([&, rank] { failures[rank] = run_case(suite_case, *groups[rank]); });
  }
  for (std::thread& thread : threads) thread.join();
  return failures;
}

class LocalSuite : public testing::TestWithParam<int> {
 protected:
  static void run(std::span<const SuiteCase> cases) {
    for (const SuiteCase& suite_case : cases) {
      for (const std::string& failure : run_on_threads(suite_case, GetParam()))
        EXPECT_EQ(failure, "");
    }
  }
};

TEST_P(LocalSuite, Moves) { run(moving_cases()); }
TEST_P(LocalSuite, Reduces) { run(reducing_cases()); }
TEST_P(LocalSuite, Sums) { run(sum_cases()); }
TEST_P(LocalSuite, Splits) { run(group_cases()); }
TEST_P(LocalSuite, Fails) { run(failing_cases()); }
TEST_P(LocalSuite, Ends) { run(ending_cases()); }

INSTANTIATE_TEST_SUITE_P(Ranks, LocalSuite, testing::Range(1, 9));

TEST(LocalGroup, RefusesImpossibleSizes) {
  EXPECT_THROW((void)make_local_group(0), Error);
  EXPECT_THROW((void)make_local_group(kMaxRanks + 1), Error);
}

TEST(LocalGroup, SaysWhenThereIsNoRoomForMoreGroups) {
  const auto groups = make_local_group(1, {.splits = 1});
  const auto first = groups[0]->split(0, 0);
  try {
    (void)groups[0]->split(0, 0);
    FAIL() << "a second split has no room";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
  }
}

TEST(LocalGroup, OutlivesItsParent) {
  auto groups = make_local_group(1);
  const auto group = groups[0]->split(0, 0);
  groups.clear();
  group->barrier();
  EXPECT_EQ(group->size(), 1);
}

// As a stage of a pipeline leaves its values to one that is still busy.
TEST(Local, ARingTakesMessagesUpToItsSizeBeforeTheReceiverComes) {
  constexpr int64_t kCount = 100000;
  const auto groups =
      make_local_group(2, {.ring_bytes = 2 * (kCount * int64_t{sizeof(float)} + kRingSlotBytes)});
  std::vector<float> sent(kCount);
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<float>(i);
  std::vector<float> received(kCount);
  groups[0]->set_timeout(std::chrono::milliseconds(50));
  for (int round = 0; round < 5; ++round) {
    for (int message = 0; message < 2; ++message)
      groups[0]->send(sent.data(), kCount, DType::kF32, 1);
    for (int message = 0; message < 2; ++message) {
      std::fill(received.begin(), received.end(), 0.0F);
      groups[1]->recv(received.data(), kCount, DType::kF32, 0);
      ASSERT_EQ(received, sent);
    }
  }
  // The third finds no room.
  for (int message = 0; message < 2; ++message)
    groups[0]->send(sent.data(), kCount, DType::kF32, 1);
  EXPECT_THROW(groups[0]->send(sent.data(), kCount, DType::kF32, 1), Error);
}

}  // namespace
}  // namespace partita::comm
