// SPDX-License-Identifier: Apache-2.0
#include "api/calibrate/quiet_profile.h"

#include <cmath>

#include "api/bench/harness.h"
#include "api/calibrate/host_state.h"
#include "api/calibrate/measure_profile.h"
#include "device/cpu/placement.h"
#include "support/error.h"

namespace partita::api {
namespace {

// Beyond this others disturb more than measurements repeat.
constexpr double kMostOthers = 0.1;

QuietProfile measure_once(int ranks, bool is_quick, double wait_seconds) {
  (void)wait_until_quiet(wait_seconds);
  const device::Placement before = device::placement_of(device::round_trip_ns());
  const OtherWork others;
  QuietProfile result;
  result.profile = measure_profile(ranks, is_quick);
  result.others_share = others.share();
  result.has_moved = device::placement_of(result.profile.round_trip_ns) != before;
  return result;
}

}  // namespace

bool QuietProfile::is_busy() const { return others_share > kMostOthers; }

bool QuietProfile::is_quiet() const { return !is_busy() && !has_moved; }

std::string QuietProfile::warning() const {
  if (is_busy()) {
    return str("other programs used ", std::lround(others_share * 100),
               " % of the processors while this machine was measured, so predicted times are too "
               "long; run partita calibrate when it rests");
  }
  if (has_moved) {
    return "the cores were moved while this machine was measured, so predicted times of several "
           "ranks are rough; run partita calibrate again";
  }
  return "";
}

QuietProfile least_disturbed(int attempts, const ProfileMeasure& measure) {
  CHECK(attempts >= 1, "attempts to measure");
  QuietProfile best = measure();
  for (int i = 1; i < attempts && !best.is_quiet(); ++i) {
    QuietProfile next = measure();
    if (next.is_quiet() || next.others_share < best.others_share) best = std::move(next);
  }
  return best;
}

QuietProfile measure_quiet_profile(int ranks, bool is_quick, const QuietOptions& options) {
  QuietProfile result = least_disturbed(
      options.attempts, [&] { return measure_once(ranks, is_quick, options.wait_seconds); });
  if (result.is_busy()) result.profile.name = str(kBusyPrefix, ranks);
  return result;
}

}  // namespace partita::api
