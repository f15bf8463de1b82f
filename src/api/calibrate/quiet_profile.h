// SPDX-License-Identifier: Apache-2.0
// A profile of this machine that other programs have not disturbed, or one that says so.
#pragma once

#include <functional>
#include <string>

#include "cost/profile.h"

namespace partita::api {

struct QuietProfile {
  cost::Profile profile;
  double others_share = 0;  // of the processors, taken by others while it was measured
  bool has_moved = false;   // the cores lay differently to each other before and after

  [[nodiscard]] bool is_busy() const;   // too much to be kept for later
  [[nodiscard]] bool is_quiet() const;  // neither of both
  // What disturbed it and what to do; empty when it is quiet.
  [[nodiscard]] std::string warning() const;
};

// How long to try.
struct QuietOptions {
  int attempts = 3;
  double wait_seconds = 5;  // before each, until the machine rests
};

using ProfileMeasure = std::function<QuietProfile()>;

// Measures again, so often at most, until nothing has disturbed; else the attempt that was
// disturbed least.
[[nodiscard]] QuietProfile least_disturbed(int attempts, const ProfileMeasure& measure);

// Names of profiles that were measured on a busy machine begin so, and plans made with them tell.
inline constexpr const char* kBusyPrefix = "busy-";

// measure_profile() on a machine that rests, as far as that can be had. Throws what it throws.
[[nodiscard]] QuietProfile measure_quiet_profile(int ranks,
                                                 bool is_quick,
                                                 const QuietOptions& options = {});

}  // namespace partita::api
