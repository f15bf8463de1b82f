// SPDX-License-Identifier: Apache-2.0
#include "cost/collective_cost.h"

#include <algorithm>
#include <limits>

#include "support/error.h"

namespace partita::cost {

GroupLink group_link(const Profile& profile, const spec::Mesh& mesh, std::span<const int> axes) {
  GroupLink result = {0, std::numeric_limits<double>::infinity()};
  for (const int axis : axes) {
    const Link& link = profile.link(mesh.axes().at(static_cast<size_t>(axis)).name);
    result.latency_s = std::max(result.latency_s, link.latency_s);
    result.bandwidth = std::min(result.bandwidth, link.bandwidth);
  }
  return result;
}

double collective_seconds(spec::ReshardKind kind,
                          int64_t group_size,
                          const Payload& payload,
                          const GroupLink& link,
                          const Device& device) {
  const auto ranks = static_cast<double>(group_size);
  const double ring_share = (ranks - 1) / ranks;
  const double one_round = device.launch_s + ranks * link.latency_s;
  switch (kind) {
    case spec::ReshardKind::kSlice:
      return device.launch_s + 2 * payload.bytes_out / device.memory_bandwidth;
    case spec::ReshardKind::kAllGather:
      return one_round + payload.bytes_out * ring_share / link.bandwidth;
    case spec::ReshardKind::kReduceScatter:
    case spec::ReshardKind::kAllToAll:
      return one_round + payload.bytes_in * ring_share / link.bandwidth;
    case spec::ReshardKind::kAllReduce:
      return one_round + (ranks - 1) * link.latency_s +
             2 * payload.bytes_in * ring_share / link.bandwidth;
  }
  CHECK(false, "unknown collective kind");
  return 0;
}

double transfer_seconds(double bytes, const Link& link, const Device& device) {
  return device.launch_s + link.latency_s + bytes / link.bandwidth;
}

}  // namespace partita::cost
