// SPDX-License-Identifier: Apache-2.0
// The cost profile of the machine we run on, measured once.
#pragma once

#include <filesystem>
#include <functional>

#include "api/calibrate/quiet_profile.h"
#include "cost/profile.h"

namespace partita::api {

// Reads the profile of this machine for `ranks` ranks from the cache folder
// ($XDG_CACHE_HOME/partita or ~/.cache/partita); measures and stores it when absent or
// damaged. Without a writable cache it is measured each time, and so it is while other programs
// disturb: such a profile (named "busy-...") is not kept. The cached file is what makes plans on
// this machine repeatable. `on_measure`, when there is one, is told the number of ranks before
// they are measured. Throws kInvalidArgument for more ranks than this machine can run at once.
[[nodiscard]] cost::Profile machine_profile(int ranks,
                                            const std::function<void(int)>& on_measure = {});
// The same with another way to measure.
[[nodiscard]] cost::Profile machine_profile(int ranks, const ProfileMeasure& measure);

// Where machine_profile() keeps it; empty when no cache folder is known.
[[nodiscard]] std::filesystem::path machine_profile_path(int ranks);

}  // namespace partita::api
