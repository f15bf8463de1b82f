// SPDX-License-Identifier: Apache-2.0
// The command lines and variables that start the ranks under each launcher.
#pragma once

#include <string>
#include <vector>

#include "launch/child.h"
#include "launch/process_group.h"

namespace partita::launch {

// Names of the environment variables by which a rank finds its frontend.
inline constexpr const char* kControlVariable = "PARTITA_CONTROL";
inline constexpr const char* kSecretVariable = "PARTITA_SECRET";

struct RendezvousVariables {
  std::string control;
  std::string secret;
  // "PARTITA_CONTROL=... PARTITA_SECRET=...", for a user who starts the ranks.
  [[nodiscard]] std::string assignments() const;
};

// kFork: one command per rank, with RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and
// MASTER_PORT set. kMpirun, kSrun: one command. kExternal: none.
[[nodiscard]] std::vector<ChildCommand> launcher_commands(const ProcessGroupOptions& options,
                                                          const RendezvousVariables& rendezvous);

}  // namespace partita::launch
