// SPDX-License-Identifier: Apache-2.0
// Where the cores are, and which of them each rank of this host gets.
#pragma once

#include <vector>

namespace partita::device {

// One physical core: the system numbers of its hardware threads that may be used.
using Core = std::vector<int>;

// The physical cores on which the calling thread may run, in the order of the machine, so that
// neighbours in the list share caches and memory. Respects taskset, mpirun's binding and cpusets.
// Reads the machine (hwloc) each time: milliseconds. Without knowledge of the machine every
// hardware thread counts as a core.
[[nodiscard]] std::vector<Core> usable_topology();

// Which of the ranks of this host, and how many threads each of them computes with.
struct RankShare {
  int rank = 0;
  int ranks = 1;
  int threads = 1;
};

// One hardware thread for each thread of the rank: those of `ranks` equal runs of neighbouring
// cores, each thread on a core of its own while there are enough, else on neighbouring hardware
// threads. Empty when ranks * threads are more than there are: then nobody should be bound, because
// whoever waits keeps others from working.
[[nodiscard]] std::vector<int> cores_of_rank(const std::vector<Core>& cores,
                                             const RankShare& share);

}  // namespace partita::device
