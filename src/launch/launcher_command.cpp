// SPDX-License-Identifier: Apache-2.0
#include "launch/launcher_command.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "support/error.h"

namespace partita::launch {
namespace {

struct LauncherName {
  Launcher launcher;
  std::string_view name;
};
constexpr std::array<LauncherName, 4> kLaunchers = {{{Launcher::kFork, "fork"},
                                                     {Launcher::kMpirun, "mpirun"},
                                                     {Launcher::kSrun, "srun"},
                                                     {Launcher::kExternal, "external"}}};

using Variables = std::vector<std::pair<std::string, std::string>>;

Variables rendezvous_variables(const RendezvousVariables& rendezvous) {
  return {{kControlVariable, rendezvous.control}, {kSecretVariable, rendezvous.secret}};
}

ChildCommand forked_rank(const ProcessGroupOptions& options,
                         const RendezvousVariables& rendezvous,
                         int rank) {
  const std::string size = std::to_string(options.ranks);
  ChildCommand command{
      .arguments = options.worker, .environment = rendezvous_variables(rendezvous), .log_file = {}};
  // torchrun's variables, so that code written for it runs in a rank; the port is not used by
  // partita itself.
  for (const auto& [name, value] : Variables{{"RANK", std::to_string(rank)},
                                             {"WORLD_SIZE", size},
                                             {"LOCAL_RANK", std::to_string(rank)},
                                             {"LOCAL_WORLD_SIZE", size},
                                             {"MASTER_ADDR", "127.0.0.1"},
                                             {"MASTER_PORT", "29500"}}) {
    command.environment.emplace_back(name, value);
  }
  if (!options.log_dir.empty()) command.log_file = str(options.log_dir, "/rank-", rank, ".log");
  return command;
}

// A launcher that loses its frontend must still stop its ranks and remove its session files.
constexpr int kOrderlyEnd = SIGTERM;

// Open MPI reads OMPI_MCA_* as if given on the command line; what the user has set wins.
void add_unless_set(Variables& variables, const char* name, const char* value) {
  if (std::getenv(name) == nullptr) variables.emplace_back(name, value);
}

ChildCommand mpirun_command(const ProcessGroupOptions& options,
                            const RendezvousVariables& rendezvous) {
  ChildCommand command;
  command.signal_at_parents_end = kOrderlyEnd;
  command.arguments = {
      "mpirun", "-n", std::to_string(options.ranks), "-x", kControlVariable, "-x", kSecretVariable};
  if (!options.log_dir.empty()) {
    command.arguments.insert(command.arguments.end(), {"--output-filename", options.log_dir});
  }
  command.arguments.insert(command.arguments.end(), options.worker.begin(), options.worker.end());
  command.environment = rendezvous_variables(rendezvous);
  add_unless_set(command.environment, "OMPI_MCA_rmaps_base_oversubscribe", "1");
  add_unless_set(command.environment, "OMPI_MCA_hwloc_base_binding_policy", "none");
  // Single copy costs a system call per message: 2.6-3 times slower at 8-64 KB.
  add_unless_set(command.environment, "OMPI_MCA_btl_vader_single_copy_mechanism", "none");
  if (geteuid() == 0) {
    add_unless_set(command.environment, "OMPI_ALLOW_RUN_AS_ROOT", "1");
    add_unless_set(command.environment, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
  }
  return command;
}

ChildCommand srun_command(const ProcessGroupOptions& options,
                          const RendezvousVariables& rendezvous) {
  ChildCommand command;
  command.signal_at_parents_end = kOrderlyEnd;
  command.arguments = {"srun", "-n", std::to_string(options.ranks), "--export=ALL"};
  if (!options.log_dir.empty())
    command.arguments.push_back(str("--output=", options.log_dir, "/rank-%t.log"));
  command.arguments.insert(command.arguments.end(), options.worker.begin(), options.worker.end());
  command.environment = rendezvous_variables(rendezvous);
  return command;
}

}  // namespace

std::string_view to_string(Launcher launcher) {
  for (const LauncherName& row : kLaunchers) {
    if (row.launcher == launcher) return row.name;
  }
  return "unknown";
}

Launcher parse_launcher(std::string_view name) {
  for (const LauncherName& row : kLaunchers) {
    if (row.name == name) return row.launcher;
  }
  throw Error(
      ErrorCode::kInvalidArgument,
      str("[launch] the launcher \"", name,
          "\" is unknown; expected fork, mpirun, srun or external, or threads of one process"));
}

std::vector<ChildCommand> launcher_commands(const ProcessGroupOptions& options,
                                            const RendezvousVariables& rendezvous) {
  switch (options.launcher) {
    case Launcher::kMpirun:
      return {mpirun_command(options, rendezvous)};
    case Launcher::kSrun:
      return {srun_command(options, rendezvous)};
    case Launcher::kExternal:
      return {};
    case Launcher::kFork:
      break;
  }
  std::vector<ChildCommand> commands;
  for (int rank = 0; rank < options.ranks; ++rank)
    commands.push_back(forked_rank(options, rendezvous, rank));
  return commands;
}

}  // namespace partita::launch
