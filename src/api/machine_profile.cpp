// SPDX-License-Identifier: Apache-2.0
#include "api/machine_profile.h"

#include <unistd.h>

#include <cstdlib>

#include "api/rank_cores.h"
#include "device/cpu/affinity.h"
#include "support/error.h"

namespace partita::api {
namespace {

std::filesystem::path cache_folder() {
  if (const char* folder = std::getenv("XDG_CACHE_HOME"); folder != nullptr && *folder != '\0') {
    return std::filesystem::path(folder) / "partita";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return std::filesystem::path(home) / ".cache" / "partita";
  }
  return {};
}

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

// Measuring starts them all, and more would disturb each other for minutes.
void check_measurable(int ranks) {
  const int most = device::usable_cores() * kMaxRanksPerCore;
  if (ranks <= most) return;
  throw Error(ErrorCode::kInvalidArgument,
              str("[plan] a plan for ", ranks, " ranks of this machine, which has ",
                  device::usable_cores(), " cores and is measured for at most ", most, " ranks (",
                  kMaxRanksPerCore, " per core); plan for fewer, or for a described machine"));
}

}  // namespace

std::filesystem::path machine_profile_path(int ranks) {
  const std::filesystem::path folder = cache_folder();
  if (folder.empty()) return {};
  return folder /
         str("machine-", host_name(), "-", device::usable_cores(), "-cores-", ranks, "-ranks.toml");
}

cost::Profile machine_profile(int ranks, const std::function<void(int)>& on_measure) {
  return machine_profile(ranks, [&] {
    check_measurable(ranks);
    if (on_measure) on_measure(ranks);
    // Somebody waits for a plan.
    const QuietOptions short_wait = {.attempts = 2, .wait_seconds = 1};
    return measure_quiet_profile(ranks, /*is_quick=*/true, short_wait);
  });
}

cost::Profile machine_profile(int ranks, const ProfileMeasure& measure) {
  const std::filesystem::path path = machine_profile_path(ranks);
  std::error_code failure;
  if (!path.empty() && std::filesystem::exists(path, failure)) {
    try {
      return cost::load_profile(path);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kInvalidFile) throw;
      // Of another version, or damaged: a cache must never stand in the way.
    }
  }
  const QuietProfile measured = measure();
  const cost::Profile& profile = measured.profile;
  if (path.empty() || measured.is_busy()) return profile;
  std::filesystem::create_directories(path.parent_path(), failure);
  if (failure) return profile;
  try {
    cost::save_profile(profile, path);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kSystem) throw;
    // A read-only cache costs time, not correctness.
  }
  return profile;
}

}  // namespace partita::api
