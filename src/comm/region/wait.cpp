// SPDX-License-Identifier: Apache-2.0
// Spin -> sched_yield -> futex. The order of magnitude of each: 0.1 us, 3 us, 50 us.
#include "comm/region/wait.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <ctime>

#include "device/cpu/affinity.h"

namespace partita::comm {
namespace {

using Clock = std::chrono::steady_clock;

// A sleep costs 50 us to end, so nothing that belongs to a decode step (< 1 ms between messages)
// sleeps.
constexpr auto kYieldTime = std::chrono::milliseconds(2);
// Upper limit of one sleep: how late a cancel, or a wake-up lost as described in publish(), is
// seen.
constexpr auto kLongestSleep = std::chrono::milliseconds(5);
// The clock costs as much as several looks, so it is read once in so many yields.
constexpr int kYieldsPerClock = 8;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// The futex is the low half of the value; on the little-endian machines we support it comes first.
const uint32_t* low_half(const std::atomic<uint64_t>& value) {
  return reinterpret_cast<const uint32_t*>(&value);
}

void futex_wait(const uint32_t* word, uint32_t seen, std::chrono::nanoseconds time) {
  const timespec timeout{0, static_cast<long>(time.count())};
  syscall(SYS_futex, word, FUTEX_WAIT, seen, &timeout, nullptr, 0);
}

}  // namespace

void Progress::publish(uint64_t value) {
  value_.store(value, std::memory_order_release);
  // No fence between the two: it would cost every message a drained store buffer. A rank that falls
  // asleep at this very moment may be missed; it wakes by itself after kLongestSleep.
  if (sleepers_.load(std::memory_order_relaxed) != 0) {
    syscall(SYS_futex, low_half(value_), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }
}

class ProgressWait {
 public:
  ProgressWait(Progress& progress, uint64_t target, const WaitLimit& limit)
      : progress_(progress), target_(target), limit_(limit) {}

  WaitResult run() {
    for (int look = 0; look < limit_.spins; ++look) {
      if (reached()) return WaitResult::kReached;
      relax();
    }
    const Clock::time_point sleep_from = Clock::now() + kYieldTime;
    for (int yields = 0;; ++yields) {
      if (reached()) return WaitResult::kReached;
      if (limit_.cancelled->load(std::memory_order_relaxed)) return WaitResult::kCancelled;
      if (yields % kYieldsPerClock == 0) {
        const Clock::time_point now = Clock::now();
        if (now >= limit_.deadline) return WaitResult::kDeadline;
        if (now >= sleep_from) break;
      }
      sched_yield();
    }
    return sleep();
  }

 private:
  [[nodiscard]] bool reached() const { return progress_.value() >= target_; }

  WaitResult sleep() {
    while (!reached()) {
      if (limit_.cancelled->load(std::memory_order_relaxed)) return WaitResult::kCancelled;
      const Clock::duration left = limit_.deadline - Clock::now();
      if (left <= Clock::duration::zero()) return WaitResult::kDeadline;
      progress_.sleepers_.fetch_add(1);
      const uint64_t seen = progress_.value();
      if (seen < target_) {
        futex_wait(low_half(progress_.value_), static_cast<uint32_t>(seen),
                   std::min<Clock::duration>(left, kLongestSleep));
      }
      progress_.sleepers_.fetch_sub(1);
    }
    return WaitResult::kReached;
  }

  Progress& progress_;
  uint64_t target_;
  const WaitLimit& limit_;
};

int default_spins(int threads) {
  return threads <= device::usable_cores() ? kSpinsOwnCore : kSpinsSharedCore;
}

WaitResult wait_until(Progress& progress, uint64_t target, const WaitLimit& limit) {
  if (progress.value() >= target) return WaitResult::kReached;
  return ProgressWait(progress, target, limit).run();
}

}  // namespace partita::comm
