// SPDX-License-Identifier: Apache-2.0
// The command lines and variables that start the ranks under each launcher.
#pragma once

#include <string>
#include <vector>

#include "launch/child.h"
#include "launch/process_group.h"
#include "launch/rendezvous.h"

namespace partita::launch {

// kFork: one command per rank, with RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and
// MASTER_PORT set. kMpirun, kSrun: one command. kExternal: none.
[[nodiscard]] std::vector<ChildCommand> launcher_commands(const ProcessGroupOptions& options,
                                                          const RendezvousVariables& rendezvous);

}  // namespace partita::launch
