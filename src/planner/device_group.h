// SPDX-License-Identifier: Apache-2.0
// The unlike devices of one stage, and how much of every split each of them gets.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cost/profile.h"
#include "ir/graph.h"
#include "planner/phases.h"
#include "spec/mesh.h"
#include "spec/strategy.h"

namespace partita::planner {

// Value type; thread-safe when not edited.
struct DeviceGroup {
  std::vector<cost::Device> kinds;  // one = all are alike
  std::vector<int> kind_of_cell;    // index of `kinds`
  std::vector<double> shares;       // per cell, of any sum; empty = equal

  [[nodiscard]] bool is_uniform() const { return kinds.size() == 1; }
  [[nodiscard]] const cost::Device& device_of(int64_t cell) const {
    return kinds[static_cast<size_t>(kind_of_cell[static_cast<size_t>(cell)])];
  }
  // Of each position along `axes` of the mesh: the shares of the cells that have it, added up.
  // Empty when shares are equal.
  [[nodiscard]] std::vector<double> shares_of(const spec::Mesh& mesh,
                                              std::span<const int> axes) const;
};

// The devices of a stage on `devices`, a mesh of described devices, with equal shares.
[[nodiscard]] DeviceGroup group_of(const cost::Profile& profile, const spec::Mesh& devices);

// Groups worth a try, the simplest first: equal shares; where devices are unlike, shares in
// proportion to how fast each would run the whole model; and, where their memories differ, in
// proportion to those.
[[nodiscard]] std::vector<DeviceGroup> share_variants(const DeviceGroup& equal,
                                                      const ir::Graph& graph,
                                                      const Phases& phases);

// The same strategy where positions that no cell of `kind` has hold nothing: its largest piece is
// the largest of that kind of device.
[[nodiscard]] spec::Strategy restricted_to(const spec::Strategy& strategy,
                                           const DeviceGroup& group,
                                           const spec::Mesh& mesh,
                                           int kind);

}  // namespace partita::planner
