// SPDX-License-Identifier: Apache-2.0
// Times of collectives by kind, size and group.
#pragma once

#include <memory>
#include <vector>

#include "comm/communicator.h"
#include "cost/profile.h"

namespace partita::api {

// The payloads that are measured: 1 KiB .. 4 MiB.
[[nodiscard]] std::vector<int64_t> measured_payloads(bool is_quick);

// Calls of one rank with buffers for payloads of up to so many bytes. Made and asked by all ranks
// of the group at the same time.
class CollectiveProbe {
 public:
  CollectiveProbe(comm::Communicator& group, int64_t most_bytes);

  // Seconds of one call on the slowest rank, from about half a millisecond of calls: the same
  // number on all ranks. all_reduce finds its input where the transport wants it. A send is that of
  // ranks 0 and 1: half of a message there and back.
  [[nodiscard]] double seconds(cost::CollectiveKind kind, int64_t bytes);

 private:
  void call(cost::CollectiveKind kind, int64_t elements);

  comm::Communicator& group_;
  std::vector<float> in_;  // two, because buffers of one call must not overlap
  std::vector<float> out_;
};

// The largest value of all ranks, on all of them.
[[nodiscard]] double slowest(comm::Communicator& group, double seconds);

// Seconds of all collectives of `group`, last of all_reduce over a bf16 wire (cost/wire.h), called
// by all its ranks at once; the same tables on each (the slowest rank counts). `transport` is noted
// in them. The table of sends is that of ranks 0 and 1: half of a message there and back.
[[nodiscard]] std::vector<cost::CollectiveTable> measure_collectives(comm::Communicator& group,
                                                                     const char* transport,
                                                                     bool is_quick);

// The same on threads of this process, bound as ranks are, for groups of 2, 4, ... and all ranks.
// The threads exchange as processes over shared memory do, so the tables are noted as "shm".
[[nodiscard]] std::vector<cost::CollectiveTable> measure_local_collectives(int ranks,
                                                                           bool is_quick);

}  // namespace partita::api
