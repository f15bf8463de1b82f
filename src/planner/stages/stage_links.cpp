// SPDX-License-Identifier: Apache-2.0
#include "planner/stages/stage_links.h"

#include <algorithm>
#include <set>

#include "planner/mesh_parts.h"

namespace partita::planner {
namespace {

// The described axes along which two devices differ.
void add_axes_between(const cost::Profile& profile, int a, int b, std::set<std::string>& axes) {
  for (size_t i = profile.axes.size(); i-- > 0;) {
    const auto size = static_cast<int>(profile.axes[i].size);
    if (a % size != b % size) axes.insert(profile.axes[i].name);
    a /= size;
    b /= size;
  }
  // Beyond the described mesh: as far as it gets.
  if (a != b) axes.insert(profile.axes.front().name);
}

bool knows_axis(const cost::Profile& profile, std::string_view name) {
  return std::ranges::any_of(profile.axes, [&](const auto& axis) { return axis.name == name; });
}

}  // namespace

std::vector<cost::SpannedAxis> spanned_axes(const cost::Profile& profile,
                                            const spec::Mesh& devices) {
  std::vector<cost::SpannedAxis> result;
  if (profile.axes.empty()) return result;
  for (int axis = 0; axis < devices.axis_count(); ++axis) {
    const std::string& name = devices.axes()[static_cast<size_t>(axis)].name;
    std::set<std::string> spanned;
    if (knows_axis(profile, name)) spanned.insert(name);
    for (int64_t cell = 0; cell < devices.size() && !knows_axis(profile, name); ++cell) {
      if (devices.coordinate(cell, axis) != 0) continue;  // not the first of those it joins
      for (const int64_t other : devices.group(cell, std::span(&axis, 1))) {
        add_axes_between(profile, devices.ranks()[static_cast<size_t>(cell)],
                         devices.ranks()[static_cast<size_t>(other)], spanned);
      }
    }
    result.push_back({name, {spanned.begin(), spanned.end()}});
  }
  return result;
}

cost::Profile profile_for_stage(const cost::Profile& profile, const spec::Mesh& devices) {
  cost::Profile result = profile.axes.empty()
                             ? profile
                             : cost::profile_for_axes(profile, spanned_axes(profile, devices));
  result.device = profile.device_of(devices.ranks());
  return result;
}

cost::Profile profile_between(const cost::Profile& profile,
                              std::span<const int> from,
                              std::span<const int> to) {
  std::vector<int> both(from.begin(), from.end());
  both.insert(both.end(), to.begin(), to.end());
  cost::Profile result = profile;
  if (!profile.axes.empty()) {
    std::set<std::string> spanned;
    if (knows_axis(profile, kStageAxis)) spanned.insert(kStageAxis);
    for (size_t i = 0; i < std::max(from.size(), to.size()) && !knows_axis(profile, kStageAxis);
         ++i) {
      add_axes_between(profile, from[i % from.size()], to[i % to.size()], spanned);
    }
    const cost::SpannedAxis axis = {kStageAxis, {spanned.begin(), spanned.end()}};
    result = cost::profile_for_axes(profile, std::span(&axis, 1));
  }
  result.device = profile.device_of(both);
  return result;
}

}  // namespace partita::planner
