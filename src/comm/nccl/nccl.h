// SPDX-License-Identifier: Apache-2.0
// Ranks that drive NVIDIA devices and exchange over NCCL.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "comm/communicator.h"

namespace partita::comm {

[[nodiscard]] bool nccl_built();

// Joins as `rank` of `size` on the current CUDA device. `unique_id` comes from rank 0
// (ncclGetUniqueId) over another transport. Throws Error(kUnsupported) when partita was built
// without NCCL. ncclCommInitRank.
[[nodiscard]] std::unique_ptr<Communicator> make_nccl_communicator(
    std::span<const std::byte> unique_id, int rank, int size);

}  // namespace partita::comm
