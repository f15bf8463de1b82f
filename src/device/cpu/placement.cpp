// SPDX-License-Identifier: Apache-2.0
// A ping-pong of two threads, and what it tells about their cores.
#include "device/cpu/placement.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "device/cpu/affinity.h"

namespace partita::device {
namespace {

using Clock = std::chrono::steady_clock;

// Above it the two threads took turns on one core for the whole time.
constexpr double kMostBetweenCoresNs = 20'000;
constexpr int kAttempts = 10;

// The shortest mean of some trips, in ns.
double ping_pong_ns() {
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

}  // namespace

double round_trip_ns() {
  if (usable_cores() < 2) return 0;
  double best = ping_pong_ns();
  for (int attempt = 1; attempt < kAttempts && best > kMostBetweenCoresNs; ++attempt) {
    best = std::min(best, ping_pong_ns());
  }
  return best;
}

Placement placement_of(double round_trip_ns) {
  if (round_trip_ns <= 0) return Placement::kOneCore;
  if (round_trip_ns < 75) return Placement::kSiblings;
  return round_trip_ns < 200 ? Placement::kSharedCache : Placement::kFarApart;
}

std::string_view to_string(Placement placement) {
  switch (placement) {
    case Placement::kOneCore:
      return "one core";
    case Placement::kSiblings:
      return "S (siblings)";
    case Placement::kSharedCache:
      return "C (shared cache)";
    case Placement::kFarApart:
      return "X (far apart)";
  }
  return "";
}

}  // namespace partita::device
