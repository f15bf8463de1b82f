// SPDX-License-Identifier: Apache-2.0
// Ranks that are processes started by an MPI launcher, on one host or many.
#pragma once

#include <memory>

#include "comm/communicator.h"

namespace partita::comm {

[[nodiscard]] bool mpi_built();

// The group of all processes of the job (MPI_COMM_WORLD). Starts MPI on first use
// (MPI_THREAD_FUNNELED: the calling thread drives the rank), and finalises it when the last group
// made from it is destroyed, after all ranks have come to that point. Throws Error(kUnsupported)
// when partita was built without MPI, Error(kSystem) when MPI does not start.
//
// Environment, set before MPI starts unless the user has set it:
// - OMPI_MCA_btl_vader_single_copy_mechanism = none: no system call per message on one host.
// - OMPI_MCA_btl_vader_eager_limit and OMPI_MCA_btl_vader_max_send_size = 65536: a send of
//   kEagerBytes needs no help of its sender afterwards. With Open MPI's own 4096 the receiver waits
//   until the sender is in MPI again.
//
// After a deadline, a cancel or another error nothing here blocks: what cannot be withdrawn is left
// alone, MPI is not finalised, and the process should end soon with a code other than 0; the
// launcher then ends the other ranks. The buffers of the failed call stay in use until then.
[[nodiscard]] std::unique_ptr<Communicator> make_mpi_world();

}  // namespace partita::comm
