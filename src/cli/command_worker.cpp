// SPDX-License-Identifier: Apache-2.0
// partita worker: the body of one rank, started by a launcher.
#include "cli/commands.h"
#include "partita/worker.h"

namespace partita::cli {

void add_worker_command(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("worker",
                         "Serve as one rank. Started by `partita run`, or by mpirun, srun or hand "
                         "with PARTITA_CONTROL, PARTITA_SECRET\n"
                         "and the rank's variables (RANK/WORLD_SIZE/LOCAL_RANK, or those of Open "
                         "MPI, PMI, Slurm).\n\nExample:\n"
                         "  partita run DIR --ranks 2 --launcher external --prompt Once   # "
                         "prints the two variables, then\n"
                         "  PARTITA_CONTROL=... PARTITA_SECRET=... mpirun -n 2 partita worker");
  command->callback([&action] { action = [] { return run_worker(); }; });
}

}  // namespace partita::cli
