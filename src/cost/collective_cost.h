// SPDX-License-Identifier: Apache-2.0
// Seconds of collectives: measured tables where the profile has them, else alpha-beta over a ring.
#pragma once

#include <cstdint>
#include <span>

#include "cost/profile.h"
#include "spec/mesh.h"
#include "spec/reshard.h"

namespace partita::cost {

// The link a group of ranks shares: the slowest latency and bandwidth of the axes it spans.
struct GroupLink {
  double latency_s = 0;
  double bandwidth = 0;  // bytes / s
};
[[nodiscard]] GroupLink group_link(const Profile& profile,
                                   const spec::Mesh& mesh,
                                   std::span<const int> axes);

// The largest local payloads of one collective, in bytes: before and after.
struct Payload {
  double bytes_in = 0;
  double bytes_out = 0;
};

// Seconds of a collective over `group_size` ranks (a slice is a local copy). Never falls when the
// payload or the group grows. With n ranks, latency a, bandwidth b, launch l (Thakur et al. 2005,
// ring algorithms), and one latency for all ranks to meet:
//   all_gather     l + n a     + out (n-1)/n / b     (out = the whole)
//   reduce_scatter l + n a     + in (n-1)/n / b
//   all_to_all     l + n a     + in (n-1)/n / b
//   permute        l + n a     + in / b
//   all_reduce     l + (2n-1) a + 2 in (n-1)/n / b
//   slice          l + 2 out / memory bandwidth (of the cache that holds both)
//   term           l + out / memory bandwidth
[[nodiscard]] double collective_seconds(spec::ReshardKind kind,
                                        int64_t group_size,
                                        const Payload& payload,
                                        const GroupLink& link,
                                        const Device& device);

// One collective of a path.
struct CollectiveCall {
  spec::ReshardKind kind = spec::ReshardKind::kAllReduce;
  std::span<const int> axes;  // of the mesh, that the group spans
  Payload payload;
};

// The same over a group of `mesh`, from the measured table when the profile has one for these axes
// and this kind (of the transport that its first table names). Between points the table is
// interpolated log-log in bytes and in group size; beyond its last point the last slope goes on,
// beyond its largest group the difference of the formula above is added. A point above
// that of more bytes or a larger group counts as that one, so this is monotone too.
[[nodiscard]] double collective_seconds(const Profile& profile,
                                        const spec::Mesh& mesh,
                                        const CollectiveCall& call);

// Seconds to hand `bytes` to one rank of the next stage.
[[nodiscard]] double transfer_seconds(double bytes, const Link& link, const Device& device);
// The same along a mesh axis, from the table of sends when there is one.
[[nodiscard]] double transfer_seconds(double bytes, const Profile& profile, std::string_view axis);

}  // namespace partita::cost
