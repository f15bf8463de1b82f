// SPDX-License-Identifier: Apache-2.0
#include "cost/profile_for_mesh.h"

#include <algorithm>

#include "support/error.h"

namespace partita::cost {
namespace {

// The described axes that steps of `stride` .. `stride * size` ranks touch, innermost first.
std::vector<std::string> spanned_axes(const Profile& profile, int64_t stride, int64_t size) {
  std::vector<std::string> axes;
  int64_t described_stride = 1;
  for (size_t i = profile.axes.size(); i-- > 0;) {
    const int64_t described_end = described_stride * profile.axes[i].size;
    if (stride < described_end && described_stride < stride * size) {
      axes.push_back(profile.axes[i].name);
    }
    described_stride = described_end;
  }
  return axes;
}

Link slowest_link(const Profile& profile, const std::vector<std::string>& axes) {
  Link slowest = profile.link(axes.front());
  for (const std::string& axis : axes) {
    const Link& link = profile.link(axis);
    slowest.latency_s = std::max(slowest.latency_s, link.latency_s);
    slowest.bandwidth = std::min(slowest.bandwidth, link.bandwidth);
  }
  return slowest;
}

// The measured tables of a described axis: its own, or else those of any axis.
std::vector<CollectiveTable> tables_of(const Profile& profile, std::string_view axis) {
  std::vector<CollectiveTable> own;
  std::vector<CollectiveTable> any;
  for (const CollectiveTable& table : profile.collectives) {
    if (table.axis == axis) own.push_back(table);
    if (table.axis == kAnyAxis) any.push_back(table);
  }
  return own.empty() ? any : own;
}

}  // namespace

Profile profile_for_mesh(const Profile& profile, const spec::Mesh& mesh) {
  const int64_t devices = profile.device_count();
  if (devices > 0 && mesh.size() > devices) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[profile] the mesh ", mesh.to_string(), " has ", mesh.size(), " ranks; ",
                    profile.name, " describes ", devices, " devices; use a smaller mesh"));
  }
  if (profile.axes.empty()) return profile;
  std::vector<SpannedAxis> axes;
  int64_t stride = mesh.size();
  for (const auto& axis : mesh.axes()) {
    stride /= axis.size;
    const bool is_known = std::any_of(profile.axes.begin(), profile.axes.end(),
                                      [&](const auto& other) { return other.name == axis.name; });
    axes.push_back({axis.name, is_known ? std::vector<std::string>{axis.name}
                                        : spanned_axes(profile, stride, axis.size)});
  }
  return profile_for_axes(profile, axes);
}

Profile profile_for_axes(const Profile& profile, std::span<const SpannedAxis> axes) {
  Profile result = profile;
  result.links.clear();
  result.collectives.clear();
  for (const SpannedAxis& axis : axes) {
    // An axis of one rank spans nothing and uses no link.
    const std::vector<std::string> spanned =
        axis.described.empty() ? std::vector<std::string>{profile.axes.back().name}
                               : axis.described;
    Link link = slowest_link(profile, spanned);
    link.axis = axis.name;
    result.links.push_back(link);
    // Times measured within one axis say nothing about a group over several.
    if (spanned.size() > 1) continue;
    for (CollectiveTable& table : tables_of(profile, spanned.front())) {
      table.axis = axis.name;
      result.collectives.push_back(std::move(table));
    }
  }
  return result;
}

}  // namespace partita::cost
