// SPDX-License-Identifier: Apache-2.0
#include "cost/profile_for_mesh.h"

#include <algorithm>

#include "support/error.h"

namespace partita::cost {
namespace {

int64_t size_of(const std::vector<spec::MeshAxis>& axes) {
  int64_t size = 1;
  for (const auto& axis : axes) size *= axis.size;
  return size;
}

// The slowest link among the described axes that steps of `stride` .. `stride * size` ranks touch.
Link spanned_link(const Profile& profile, int64_t stride, int64_t size) {
  Link result = {"", 0, 0};
  int64_t described_stride = 1;
  for (size_t i = profile.axes.size(); i-- > 0;) {
    const int64_t described_end = described_stride * profile.axes[i].size;
    if (stride < described_end && described_stride < stride * size) {
      const Link& link = profile.link(profile.axes[i].name);
      result.latency_s = std::max(result.latency_s, link.latency_s);
      result.bandwidth =
          result.bandwidth == 0 ? link.bandwidth : std::min(result.bandwidth, link.bandwidth);
    }
    described_stride = described_end;
  }
  return result;
}

}  // namespace

Profile profile_for_mesh(const Profile& profile, const spec::Mesh& mesh) {
  if (profile.axes.empty()) return profile;
  const int64_t devices = size_of(profile.axes);
  if (mesh.size() > devices) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[profile] the mesh ", mesh.to_string(), " has ", mesh.size(), " ranks; ",
                    profile.name, " describes ", devices, " devices; use a smaller mesh"));
  }
  Profile result = profile;
  result.links.clear();
  int64_t stride = mesh.size();
  for (const auto& axis : mesh.axes()) {
    stride /= axis.size;
    const bool is_known = std::any_of(profile.axes.begin(), profile.axes.end(),
                                      [&](const auto& other) { return other.name == axis.name; });
    Link link = is_known ? profile.link(axis.name) : spanned_link(profile, stride, axis.size);
    // An axis of one rank spans nothing and uses no link.
    if (link.bandwidth == 0) link = profile.link(profile.axes.back().name);
    link.axis = axis.name;
    result.links.push_back(link);
  }
  return result;
}

}  // namespace partita::cost
