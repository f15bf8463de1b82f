// SPDX-License-Identifier: Apache-2.0
#include "api/calibrate/host_state.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "device/cpu/affinity.h"
#include "device/device.h"

namespace partita::api {
namespace {

using Clock = std::chrono::steady_clock;

struct ProcessorTime {
  int64_t all = 0;
  int64_t idle = 0;
};

// The first line of /proc/stat: user nice system idle iowait irq softirq steal.
ProcessorTime processor_time() {
  ProcessorTime time;
  std::ifstream file("/proc/stat");
  std::string label;
  file >> label;
  int64_t ticks = 0;
  for (int column = 0; column < 8 && file >> ticks; ++column) {
    time.all += ticks;
    if (column == 3 || column == 4) time.idle += ticks;
  }
  return time;
}

}  // namespace

int64_t host_memory_bytes() { return device::make_cpu_device()->memory_bytes(); }

ResidentBytes resident_bytes() {
  constexpr int64_t kKiB = 1024;
  ResidentBytes bytes;
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    if (word == "RssAnon:" && file >> bytes.own) bytes.own *= kKiB;
    if (word == "RssFile:" && file >> bytes.files) bytes.files *= kKiB;
  }
  return bytes;
}

double busy_share() {
  const ProcessorTime before = processor_time();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const ProcessorTime after = processor_time();
  const auto all = static_cast<double>(after.all - before.all);
  return all <= 0 ? 0 : 1 - static_cast<double>(after.idle - before.idle) / all;
}

double round_trip_ns() {
  if (device::usable_cores() < 2) return 0;
  constexpr auto kTime = std::chrono::milliseconds(20);
  constexpr int kTrips = 64;
  std::atomic<int64_t> ball{0};
  std::atomic<bool> over{false};
  std::thread partner([&] {
    while (!over.load(std::memory_order_relaxed)) {
      const int64_t seen = ball.load(std::memory_order_acquire);
      if (seen % 2 == 1) ball.store(seen + 1, std::memory_order_release);
    }
  });
  const auto start = Clock::now();
  double best = 1e9;
  for (int64_t next = 1; Clock::now() - start < kTime;) {
    const auto round_start = Clock::now();
    for (int trip = 0; trip < kTrips; ++trip, next += 2) {
      ball.store(next, std::memory_order_release);
      while (ball.load(std::memory_order_acquire) != next + 1) {
      }
    }
    const std::chrono::duration<double, std::nano> time = Clock::now() - round_start;
    best = std::min(best, time.count() / kTrips);
  }
  over = true;
  partner.join();
  return best;
}

}  // namespace partita::api
