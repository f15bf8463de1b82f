// SPDX-License-Identifier: Apache-2.0
// Waiting: what is there is seen at once, a sleeper is woken, deadlines and cancelling end a wait.
#include "comm/region/wait.h"

#include <gtest/gtest.h>

#include <thread>

namespace partita::comm {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

WaitLimit limit_in(milliseconds time, const std::atomic<bool>& cancelled) {
  return {kSpinsSharedCore, steady_clock::now() + time, &cancelled};
}

TEST(WaitUntil, SeesWhatIsThereEvenWithoutTime) {
  const std::atomic<bool> cancelled{false};
  Progress progress{};
  progress.publish(3);
  EXPECT_EQ(wait_until(progress, 3, limit_in(milliseconds(0), cancelled)), WaitResult::kReached);
  EXPECT_EQ(wait_until(progress, 4, limit_in(milliseconds(0), cancelled)), WaitResult::kDeadline);
}

TEST(WaitUntil, EndsAtItsDeadlineAlsoAsleep) {
  const std::atomic<bool> cancelled{false};
  Progress progress{};
  const auto start = steady_clock::now();
  EXPECT_EQ(wait_until(progress, 1, limit_in(milliseconds(20), cancelled)), WaitResult::kDeadline);
  EXPECT_GE(steady_clock::now() - start, milliseconds(20));
}

TEST(WaitUntil, PassesTheBallBothWays) {
  const std::atomic<bool> cancelled{false};
  Progress there{};
  Progress back{};
  constexpr uint64_t kTrips = 200;
  std::thread partner([&] {
    for (uint64_t trip = 1; trip <= kTrips; ++trip) {
      if (wait_until(there, trip, limit_in(milliseconds(10000), cancelled)) != WaitResult::kReached)
        return;
      // Now and then late enough that the other side sleeps; right either way.
      if (trip % 50 == 0) std::this_thread::sleep_for(milliseconds(4));
      back.publish(trip);
    }
  });
  for (uint64_t trip = 1; trip <= kTrips; ++trip) {
    there.publish(trip);
    ASSERT_EQ(wait_until(back, trip, limit_in(milliseconds(10000), cancelled)),
              WaitResult::kReached);
  }
  partner.join();
}

TEST(WaitUntil, EndsWhenCancelledByAnotherThread) {
  std::atomic<bool> cancelled{false};
  Progress progress{};
  std::thread canceller([&] { cancelled = true; });
  EXPECT_EQ(wait_until(progress, 1, limit_in(milliseconds(10000), cancelled)),
            WaitResult::kCancelled);
  canceller.join();
}

}  // namespace
}  // namespace partita::comm
