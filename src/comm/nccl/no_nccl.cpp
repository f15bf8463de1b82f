// SPDX-License-Identifier: Apache-2.0
// Stands in for the NCCL transport in builds without it.
#include "comm/nccl/nccl.h"
#include "support/error.h"

namespace partita::comm {

bool nccl_built() { return false; }

std::unique_ptr<Communicator> make_nccl_communicator(std::span<const std::byte> unique_id,
                                                     int rank,
                                                     int size) {
  (void)unique_id;
  throw Error(
      ErrorCode::kUnsupported,
      str("[comm] rank ", rank, " of ", size,
          " was asked to use NCCL, which partita cannot yet; use the local, shm or mpi transport"));
}

}  // namespace partita::comm
