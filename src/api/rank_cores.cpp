// SPDX-License-Identifier: Apache-2.0
// Threads of a rank: OpenMP's team, each bound to a core of the rank's.
#include "api/rank_cores.h"

#include <omp.h>

#include <algorithm>
#include <vector>

#include "device/cpu/affinity.h"
#include "device/cpu/topology.h"

namespace partita::api {

int threads_of_rank(const RankPlace& place) {
  if (place.threads > 0) return place.threads;
  return std::max(1, device::usable_cores() / std::max(1, place.ranks));
}

bool take_cores(const RankPlace& place) {
  const int threads = threads_of_rank(place);
  const std::vector<int> cores = device::cores_of_rank(
      device::usable_topology(), {place.rank, std::max(1, place.ranks), threads});
  omp_set_num_threads(threads);
  if (cores.empty()) return false;
  // The calling thread may use all of them: what it starts later inherits that.
  device::bind_to_cores(cores);
  if (threads == 1) return true;
#pragma omp parallel default(none) shared(cores)
  {
    const int thread = omp_get_thread_num();
    if (thread > 0) device::bind_to_cores({cores[static_cast<size_t>(thread)]});
  }
  return true;
}

}  // namespace partita::api
