// SPDX-License-Identifier: Apache-2.0
// The kinds of calls between ranks, and what the calls of one kind have cost.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace partita::comm {

enum class CollectiveKind : uint8_t {
  kAllReduce,
  kAllGather,
  kReduceScatter,
  kAllToAll,
  kBroadcast,
  kSend,
  kRecv,
  kBarrier
};
inline constexpr size_t kCollectiveKinds = 8;

[[nodiscard]] std::string_view to_string(CollectiveKind kind);  // "all_reduce", ...

// What the finished calls of one kind have cost on this rank. `payload_bytes` = bytes of the full
// (gathered, reduced, sent or received) tensor, for all_to_all of `in`; `wire_bytes` = bytes this
// rank sends under a ring of n ranks, rounded down: all_reduce 2p(n-1)/n, all_gather,
// reduce_scatter and broadcast p(n-1)/n, all_to_all own pieces for others, send p, recv and barrier
// 0. split() is not counted. `waiting` = the part of `seconds` in which a peer had not come yet,
// where the transport can tell (not mpi): the rest is for moving and adding.
struct Counter {
  int64_t calls = 0;
  int64_t payload_bytes = 0;
  int64_t wire_bytes = 0;
  double seconds = 0;
  double waiting = 0;
};
using Counters = std::array<Counter, kCollectiveKinds>;  // index: CollectiveKind

}  // namespace partita::comm
