// SPDX-License-Identifier: Apache-2.0
// The cores and threads of a rank: bound inside its share while there are enough, else free.
#include "api/rank_cores.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "device/cpu/affinity.h"
#include "device/cpu/topology.h"

namespace partita::api {
namespace {

// What a thread of its own sees after take_cores().
struct Seen {
  bool is_bound = false;
  std::vector<int> cores;                    // of the thread that drives the rank
  std::vector<std::vector<int>> team_cores;  // of each thread of its team
};

Seen seen_by_rank(const RankPlace& place) {
  Seen seen;
  std::thread rank([&] {
    seen.is_bound = take_cores(place);
    seen.cores = device::allowed_cores();
    seen.team_cores.resize(static_cast<size_t>(omp_get_max_threads()));
#pragma omp parallel default(none) shared(seen)
    seen.team_cores[static_cast<size_t>(omp_get_thread_num())] = device::allowed_cores();
  });
  rank.join();
  return seen;
}

TEST(TakeCores, BindsEveryThreadInsideTheShareOfItsRank) {
  const auto topology = device::usable_topology();
  const int cores = device::usable_cores();
  for (int ranks = 1; ranks <= cores; ++ranks) {
    const RankPlace place{ranks - 1, ranks, 0};
    const int threads = threads_of_rank(place);
    EXPECT_EQ(threads, cores / ranks);
    const std::vector<int> own =
        device::cores_of_rank(topology, {place.rank, place.ranks, threads});
    const Seen seen = seen_by_rank(place);
    EXPECT_TRUE(seen.is_bound);
    EXPECT_EQ(seen.team_cores.size(), static_cast<size_t>(threads));
    std::vector<int> sorted = own;
    std::ranges::sort(sorted);
    EXPECT_EQ(seen.cores, sorted);
    for (size_t thread = 1; thread < seen.team_cores.size(); ++thread) {
      EXPECT_EQ(seen.team_cores[thread], std::vector<int>{own[thread]});
    }
  }
}

TEST(TakeCores, LeavesRanksFreeWhenThereAreTooFewCores) {
  const std::vector<int> all = device::allowed_cores();
  for (const RankPlace& place :
       {RankPlace{0, device::usable_cores() + 1, 0}, RankPlace{0, 1, device::usable_cores() + 1}}) {
    const Seen seen = seen_by_rank(place);
    EXPECT_FALSE(seen.is_bound);
    EXPECT_EQ(seen.cores, all);
    EXPECT_EQ(seen.team_cores.size(), static_cast<size_t>(threads_of_rank(place)));
  }
}

}  // namespace
}  // namespace partita::api
