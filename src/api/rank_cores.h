// SPDX-License-Identifier: Apache-2.0
// Gives the calling thread the cores and the compute threads of a rank.
#pragma once

namespace partita::api {

// More ranks than cores is fine for trying things out; beyond this a step would rather hit its
// deadline.
inline constexpr int kMaxRanksPerCore = 8;

struct RankPlace {
  int rank = 0;     // among those of this host
  int ranks = 1;    // that share this host
  int threads = 0;  // of each; 0 = the cores divided by the ranks, at least 1
};

// Sets how many threads the kernels of the calling thread use. While there is a core for each
// thread of each rank, binds the calling thread to those of its rank and each thread of its team to
// one of them; else lets the system place them, and ranks that wait give way at once
// (comm::default_spins()). Call it on the thread that drives the rank, before anything is bound.
// Returns whether it has bound.
bool take_cores(const RankPlace& place);

// How many threads that gives a rank.
[[nodiscard]] int threads_of_rank(const RankPlace& place);

}  // namespace partita::api
