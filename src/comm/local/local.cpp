// SPDX-License-Identifier: Apache-2.0
// Virtual ranks over private memory of the process.
#include "comm/local/local.h"

#include <numeric>

#include "comm/region/region_communicator.h"

namespace partita::comm {

std::vector<std::unique_ptr<Communicator>> make_local_group(int size,
                                                            const RegionOptions& options) {
  const std::shared_ptr<Region> region = Region::make_private(size, options);
  std::vector<std::unique_ptr<Communicator>> ranks;
  for (int rank = 0; rank < size; ++rank) {
    GroupIdentity identity;  // each rank has its own cancel flag
    identity.rank = rank;
    identity.global_ranks.resize(static_cast<size_t>(size));
    std::iota(identity.global_ranks.begin(), identity.global_ranks.end(), 0);
    ranks.push_back(
        std::make_unique<RegionCommunicator>(region, region->first_group(), std::move(identity)));
  }
  return ranks;
}

}  // namespace partita::comm
