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

// The described axes that two ranks next to each other along a mesh axis lie apart on, for ranks in
// any order (rank r drives the described device r), innermost first.
std::vector<std::string> crossed_axes(const Profile& profile, const spec::Mesh& mesh, int axis) {
  std::vector<std::string> axes;
  int64_t described_stride = 1;
  for (size_t i = profile.axes.size(); i-- > 0;) {
    const auto place = [&](int64_t cell) {
      const int64_t rank = mesh.ranks()[static_cast<size_t>(cell)];
      return rank / described_stride % profile.axes[i].size;
    };
    bool is_crossed = false;
    for (int64_t cell = 0; cell < mesh.size() && !is_crossed; ++cell) {
      for (const int64_t member : mesh.group(cell, {&axis, 1})) {
        is_crossed = is_crossed || place(member) != place(cell);
      }
    }
    if (is_crossed) axes.push_back(profile.axes[i].name);
    described_stride *= profile.axes[i].size;
  }
  return axes;
}

// The described axes that a mesh axis spans. A mesh axis (or sub-axis) of a described name is that
// axis; others are found by where their ranks lie.
std::vector<std::string> axes_of(const Profile& profile, const spec::Mesh& mesh, int index) {
  const spec::MeshAxis& axis = mesh.axes()[static_cast<size_t>(index)];
  if (!std::is_sorted(mesh.ranks().begin(), mesh.ranks().end())) {
    return crossed_axes(profile, mesh, index);
  }
  const std::string name(spec::parent_axis(axis.name));
  const bool is_known = std::any_of(profile.axes.begin(), profile.axes.end(),
                                    [&](const auto& other) { return other.name == name; });
  if (is_known) return {name};
  int64_t stride = 1;
  for (int later = index + 1; later < mesh.axis_count(); ++later) {
    stride *= mesh.axes()[static_cast<size_t>(later)].size;
  }
  return spanned_axes(profile, stride, axis.size);
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
  for (int index = 0; index < mesh.axis_count(); ++index) {
    axes.push_back({mesh.axes()[static_cast<size_t>(index)].name, axes_of(profile, mesh, index)});
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
