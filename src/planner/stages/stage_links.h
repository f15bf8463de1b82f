// SPDX-License-Identifier: Apache-2.0
// The links that a stage on any devices uses, and those between two stages.
#pragma once

#include <span>
#include <string>

#include "cost/profile.h"
#include "cost/profile_for_mesh.h"
#include "spec/mesh.h"

namespace partita::planner {

// What each axis of `devices`, a stage's mesh of described devices, spans. An axis of a name that
// the profile knows is that axis; another one spans the axes along which the devices that it joins
// differ. Empty for a profile without described axes.
[[nodiscard]] std::vector<cost::SpannedAxis> spanned_axes(const cost::Profile& profile,
                                                          const spec::Mesh& devices);

// The profile as the stage on `devices` sees it: one link per axis, the weakest of its devices. A
// profile without described axes keeps its links.
[[nodiscard]] cost::Profile profile_for_stage(const cost::Profile& profile,
                                              const spec::Mesh& devices);

// The profile with the link from each device of `from` to its partner of `to` as axis pp: partner i
// of a stage of n devices is i mod n. A profile with an axis pp, or without described axes, knows
// the link itself.
[[nodiscard]] cost::Profile profile_between(const cost::Profile& profile,
                                            std::span<const int> from,
                                            std::span<const int> to);

}  // namespace partita::planner
