// SPDX-License-Identifier: Apache-2.0
// Virtual ranks: the ranks of a group are threads of this process.
#pragma once

#include <memory>
#include <vector>

#include "comm/communicator.h"
#include "comm/region/region.h"

namespace partita::comm {

// One communicator per rank, in order of rank. Each is handed to the thread that drives the rank;
// they may be destroyed in any order. Throws Error(kInvalidArgument) unless 1 <= size <= kMaxRanks.
[[nodiscard]] std::vector<std::unique_ptr<Communicator>> make_local_group(
    int size, const RegionOptions& options = {});

}  // namespace partita::comm
