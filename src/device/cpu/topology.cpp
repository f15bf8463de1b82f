// SPDX-License-Identifier: Apache-2.0
// Topology by hwloc.
#include "device/cpu/topology.h"

#include <hwloc.h>

#include <algorithm>
#include <memory>

#include "device/cpu/affinity.h"
#include "support/error.h"

namespace partita::device {
namespace {

struct FreeTopology {
  void operator()(hwloc_topology_t topology) const { hwloc_topology_destroy(topology); }
};
using Topology = std::unique_ptr<hwloc_topology, FreeTopology>;

// Null when the system does not tell.
Topology load_topology() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) return nullptr;
  Topology topology(raw);
  // Only cores and hardware threads are asked for, which makes loading faster; their order is that
  // of the whole machine all the same.
  hwloc_topology_set_io_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_NONE);
  return hwloc_topology_load(raw) == 0 ? std::move(topology) : nullptr;
}

// Moves the hardware threads of `core` that are in `left` from there.
Core take_threads(hwloc_obj_t core, std::vector<int>& left) {
  Core threads;
  for (int thread = hwloc_bitmap_first(core->cpuset); thread >= 0;
       thread = hwloc_bitmap_next(core->cpuset, thread)) {
    const auto found = std::ranges::find(left, thread);
    if (found == left.end()) continue;
    left.erase(found);
    threads.push_back(thread);
  }
  return threads;
}

}  // namespace

std::vector<Core> usable_topology() {
  std::vector<int> left = allowed_cores();
  std::vector<Core> cores;
  if (const Topology topology = load_topology()) {
    const int count = hwloc_get_nbobjs_by_type(topology.get(), HWLOC_OBJ_CORE);
    for (int index = 0; index < count; ++index) {
      const auto number = static_cast<unsigned>(index);
      Core core = take_threads(hwloc_get_obj_by_type(topology.get(), HWLOC_OBJ_CORE, number), left);
      if (!core.empty()) cores.push_back(std::move(core));
    }
  }
  for (const int thread : left) cores.push_back({thread});
  return cores;
}

std::vector<int> cores_of_rank(const std::vector<Core>& cores, const RankShare& share) {
  CHECK(share.ranks >= 1 && share.threads >= 1, share.ranks, " ranks of ", share.threads,
        " threads");
  const auto wanted = static_cast<size_t>(share.ranks) * static_cast<size_t>(share.threads);
  std::vector<int> places;
  for (const Core& core : cores) places.push_back(core.front());
  if (places.size() < wanted) {
    places.clear();
    for (const Core& core : cores) places.insert(places.end(), core.begin(), core.end());
  }
  if (places.size() < wanted || share.rank < 0 || share.rank >= share.ranks) return {};
  const size_t begin =
      places.size() * static_cast<size_t>(share.rank) / static_cast<size_t>(share.ranks);
  const auto first = places.begin() + static_cast<std::ptrdiff_t>(begin);
  return {first, first + share.threads};
}

}  // namespace partita::device
