// SPDX-License-Identifier: Apache-2.0
// Stands in for the MPI transport in builds without MPI.
#include "comm/mpi/mpi.h"
#include "support/error.h"

namespace partita::comm {

bool mpi_built() { return false; }

std::unique_ptr<Communicator> make_mpi_world() {
  throw Error(
      ErrorCode::kUnsupported,
      "[comm] the mpi transport was asked for, but this build has no MPI support; use the local or "
      "shm transport, or build partita with -DPARTITA_MPI=ON (package libopenmpi-dev)");
}

}  // namespace partita::comm
