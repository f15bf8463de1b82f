// SPDX-License-Identifier: Apache-2.0
// The body of a rank process.
#pragma once

namespace partita {

// Joins the frontend named by PARTITA_CONTROL and PARTITA_SECRET as the rank that the launcher's
// variables say (RANK and WORLD_SIZE, or those of Open MPI, PMI or Slurm), serves steps until the
// frontend leaves, and returns the exit code. Errors are reported to the frontend; without one they
// are thrown. When the frontend dies the process ends at once.
int run_worker();

}  // namespace partita
