// SPDX-License-Identifier: Apache-2.0
// What a frontend tells its rank processes, and where their program is.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "partita/model.h"
#include "support/json.h"

namespace partita::api {

enum class Transport : uint8_t { kShm, kMpi };

// "auto" is mpi where mpirun or srun starts the ranks, else shm. Throws kInvalidArgument for
// unknown names, and for mpi where no MPI launcher starts the ranks.
[[nodiscard]] Transport transport_for(const std::string& name, const std::string& launcher);

// The content of the setup message. Every rank imports and cuts for itself, which costs
// milliseconds; plan and checkpoint are all it needs.
struct RankSetup {
  std::filesystem::path directory;
  LoadOptions load;
  std::string plan;  // plan.json text
  Transport transport = Transport::kShm;
  std::vector<std::string> shm_paths = {};  // for kShm: of the shared memory of each replica
  int step_timeout_ms = 10000;
  int threads_per_rank = 0;
};
[[nodiscard]] Json to_json(const RankSetup& setup);
[[nodiscard]] RankSetup rank_setup_from_json(const Json& json);

// The program that knows the sub-command "worker": `configured` if given, else $PARTITA_WORKER,
// else this program when it is partita itself, else the one beside it, else "partita" (on PATH).
[[nodiscard]] std::string worker_program(const std::string& configured);

}  // namespace partita::api
