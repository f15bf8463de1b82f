// SPDX-License-Identifier: Apache-2.0
// Waiting awake for a while: a sleeper takes some 50 us to wake, as long as a step of a small
// model.
#pragma once

#include <sched.h>

#include <chrono>

namespace partita::launch {

// How long a rank with a core of its own looks for the next step: the time in which the frontend
// samples, decodes and schedules.
inline constexpr std::chrono::microseconds kRankPatience{500};

// How long the frontend looks for the end of a step when the last one took `last_step`: not at all
// for long steps, which it would slow down and where its waking does not matter.
[[nodiscard]] inline std::chrono::microseconds frontend_patience(
    std::chrono::steady_clock::duration last_step) {
  constexpr std::chrono::milliseconds kShortStep{1};
  return last_step <= kShortStep ? 2 * kShortStep : std::chrono::milliseconds(0);
}

// Looks until `has_come()` or time has passed, giving the core to whoever wants it; whether it has
// come.
template <typename HasCome>
[[nodiscard]] bool look_for(std::chrono::steady_clock::duration patience, const HasCome& has_come) {
  if (patience <= std::chrono::steady_clock::duration::zero()) return false;
  const auto until = std::chrono::steady_clock::now() + patience;
  do {
    if (has_come()) return true;
    sched_yield();
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

}  // namespace partita::launch
