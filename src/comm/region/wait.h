// SPDX-License-Identifier: Apache-2.0
// Waiting for another rank's progress in shared memory: spin, then yield, then sleep.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace partita::comm {

// A number that only grows, written by one rank and read by others, possibly of other processes.
// Lives in zeroed shared memory and needs no construction there.
class Progress {
 public:
  [[nodiscard]] uint64_t value() const { return value_.load(std::memory_order_acquire); }
  // Everything written before is seen by those who see `value`. Wakes sleepers.
  void publish(uint64_t value);

 private:
  friend class ProgressWait;

  std::atomic<uint64_t> value_;
  std::atomic<uint32_t> sleepers_;
};

enum class WaitResult : uint8_t { kReached, kDeadline, kCancelled };

// How long and how to wait. `spins`: looks before the processor is given away; few when there are
// more ranks than cores, because then the awaited rank needs the core of the one that waits.
struct WaitLimit {
  int spins = 0;
  std::chrono::steady_clock::time_point deadline;
  const std::atomic<bool>* cancelled = nullptr;
};

// Looks before yielding, with a core per rank and with more ranks than cores. The second by
// all_reduce of 8 KiB over 4 ranks on 2 cores under SCHED_FIFO, because the machine was busy: 5.1
// us with 0 looks, 5.3 with 5, 6.3 with 20, 9-12 with 60. Under the ordinary scheduler on that busy
// machine (18-25 us) 0, 5 and 20 could not be told apart. The first was not varied.
inline constexpr int kSpinsOwnCore = 1000;
inline constexpr int kSpinsSharedCore = 5;
// Compares ranks, or all their threads, with the cores that the caller may use.
[[nodiscard]] int default_spins(int threads);

// Waits until progress.value() >= target. Looks at least once, whatever the deadline.
[[nodiscard]] WaitResult wait_until(Progress& progress, uint64_t target, const WaitLimit& limit);

}  // namespace partita::comm
