// SPDX-License-Identifier: Apache-2.0
// What each launcher is told: arguments, variables, and whose settings win.
#include "launch/launcher_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

#include "support/error.h"

namespace partita::launch {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Key;
using testing::Not;
using testing::Pair;

std::vector<ChildCommand> commands_of(Launcher launcher, const std::string& log_dir = "") {
  ProcessGroupOptions options;
  options.launcher = launcher;
  options.ranks = 3;
  options.worker = {"partita", "worker"};
  options.log_dir = log_dir;
  return launcher_commands(options, {.control = "socket", .secret = "key"});
}

std::map<std::string, std::string> variables_of(const ChildCommand& command) {
  return {command.environment.begin(), command.environment.end()};
}

TEST(LauncherCommand, ForkStartsEveryRankWithItsOwnVariables) {
  const std::vector<ChildCommand> commands = commands_of(Launcher::kFork, "logs");
  ASSERT_EQ(commands.size(), 3U);
  for (size_t rank = 0; rank < commands.size(); ++rank) {
    EXPECT_THAT(commands[rank].arguments, ElementsAre("partita", "worker"));
    const auto variables = variables_of(commands[rank]);
    EXPECT_EQ(variables.at("RANK"), std::to_string(rank));
    EXPECT_EQ(variables.at("LOCAL_RANK"), std::to_string(rank));
    EXPECT_EQ(variables.at("WORLD_SIZE"), "3");
    EXPECT_EQ(variables.at("LOCAL_WORLD_SIZE"), "3");
    EXPECT_EQ(variables.at("PARTITA_CONTROL"), "socket");
    EXPECT_EQ(variables.at("PARTITA_SECRET"), "key");
    EXPECT_EQ(commands[rank].log_file, "logs/rank-" + std::to_string(rank) + ".log");
    EXPECT_EQ(commands[rank].signal_at_parents_end, SIGKILL);
  }
}

TEST(LauncherCommand, MpirunStartsAllRanksAndPassesTheVariablesOn) {
  const std::vector<ChildCommand> commands = commands_of(Launcher::kMpirun, "logs");
  ASSERT_EQ(commands.size(), 1U);
  EXPECT_THAT(commands[0].arguments,
              ElementsAre("mpirun", "-n", "3", "-x", "PARTITA_CONTROL", "-x", "PARTITA_SECRET",
                          "--output-filename", "logs", "partita", "worker"));
  const auto variables = variables_of(commands[0]);
  EXPECT_EQ(variables.at("PARTITA_CONTROL"), "socket");
  EXPECT_EQ(variables.at("PARTITA_SECRET"), "key");
  EXPECT_EQ(variables.at("OMPI_MCA_rmaps_base_oversubscribe"), "1");
  EXPECT_THAT(variables, Not(Contains(Key("RANK"))));
  EXPECT_EQ(commands[0].signal_at_parents_end, SIGTERM);
}

TEST(LauncherCommand, WhatTheUserHasSetForOpenMpiWins) {
  setenv("OMPI_MCA_hwloc_base_binding_policy", "core", 1);
  const auto variables = variables_of(commands_of(Launcher::kMpirun).at(0));
  unsetenv("OMPI_MCA_hwloc_base_binding_policy");
  EXPECT_THAT(variables, Not(Contains(Key("OMPI_MCA_hwloc_base_binding_policy"))));
  EXPECT_THAT(variables, Contains(Key("OMPI_MCA_btl_vader_single_copy_mechanism")));
}

TEST(LauncherCommand, MpirunMayRunAsRootOnlyWhenWeAreRoot) {
  const auto variables = variables_of(commands_of(Launcher::kMpirun).at(0));
  EXPECT_EQ(variables.contains("OMPI_ALLOW_RUN_AS_ROOT"), geteuid() == 0);
  EXPECT_EQ(variables.contains("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"), geteuid() == 0);
}

TEST(LauncherCommand, SrunStartsAllRanksWithItsOwnLogNames) {
  const std::vector<ChildCommand> commands = commands_of(Launcher::kSrun, "logs");
  ASSERT_EQ(commands.size(), 1U);
  EXPECT_THAT(commands[0].arguments, ElementsAre("srun", "-n", "3", "--export=ALL",
                                                 "--output=logs/rank-%t.log", "partita", "worker"));
  EXPECT_THAT(variables_of(commands[0]), Contains(Pair("PARTITA_CONTROL", "socket")));
}

TEST(LauncherCommand, ExternalRanksAreStartedByNobodyHere) {
  EXPECT_THAT(commands_of(Launcher::kExternal), IsEmpty());
  EXPECT_EQ((RendezvousVariables{"socket", "key"}).assignments(),
            "PARTITA_CONTROL=socket PARTITA_SECRET=key");
}

TEST(LauncherCommand, NamesAreParsedBackAndOthersRefused) {
  for (const Launcher launcher :
       {Launcher::kFork, Launcher::kMpirun, Launcher::kSrun, Launcher::kExternal})
    EXPECT_EQ(parse_launcher(to_string(launcher)), launcher);
  EXPECT_THROW((void)parse_launcher("qsub"), Error);
}

}  // namespace
}  // namespace partita::launch
