// SPDX-License-Identifier: Apache-2.0
// Times of collectives between rank processes of this host.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace partita {

struct CollectiveBenchOptions {
  std::vector<int> ranks = {2};  // numbers of ranks, one after the other
  // Payloads: of the whole tensor, f32.
  std::vector<int64_t> bytes = {1 << 10, 8 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20};
  int rounds = 21;  // of all collectives in turns
};

// Seconds of one call on the slowest rank, the median of the rounds.
struct CollectiveTime {
  std::string name;  // "all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send", and for
                     // whole rows of 2048: "add_rms_norm" (nothing sent), "all_reduce_add_rms_norm"
  double seconds = 0;
};

// All collectives of one payload.
struct CollectiveBenchLine {
  int ranks = 0;
  int64_t bytes = 0;
  std::vector<CollectiveTime> times;
  std::string placement_before;  // of the cores, see docs/performance
  std::string placement_after;
  double round_trip_before_ns = 0;
  double round_trip_after_ns = 0;
};

struct CollectiveBenchResult {
  double busy_share = 0;  // of the processors by other programs, before
  std::vector<CollectiveBenchLine> lines;
};

// Forks the ranks, which exchange over shared memory, bound to cores as ranks of a model are; call
// it from a process without other threads. Throws kInvalidArgument for less than two ranks or more
// than this host runs, payloads that are not 4 bytes .. 1 GiB, and less than one round;
// kRankFailed when a rank ends early.
[[nodiscard]] CollectiveBenchResult bench_collectives(const CollectiveBenchOptions& options);

}  // namespace partita
