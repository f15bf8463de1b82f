// SPDX-License-Identifier: Apache-2.0
// A profile seen from a mesh whose axes have other names or sizes than the profile's.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cost/profile.h"
#include "spec/mesh.h"

namespace partita::cost {

// The same profile with one link per axis of `mesh`. An axis of a name that the profile knows keeps
// its link, its sub-axes too. Another one gets the slowest of the links that it spans when the
// ranks of `mesh` are numbered through the described mesh: tp=8 over { host=2, gpu=8 } stays within
// a host, tp=16 does not. When the ranks of `mesh` are in an order of their own, every axis gets
// the slowest of the links between its ranks. Throws kInvalidArgument when the mesh is larger than
// the described one or no link is known.
[[nodiscard]] Profile profile_for_mesh(const Profile& profile, const spec::Mesh& mesh);

// An axis of some mesh, and the described axes that its groups cross; none = groups of one device.
struct SpannedAxis {
  std::string name;
  std::vector<std::string> described;
};

// The same profile with one link per listed axis: the slowest of the described links. `profile` has
// described axes.
[[nodiscard]] Profile profile_for_axes(const Profile& profile, std::span<const SpannedAxis> axes);

}  // namespace partita::cost
