// SPDX-License-Identifier: Apache-2.0
#include "launch/rank_environment.h"

#include <array>
#include <charconv>
#include <cstdlib>

#include "support/error.h"

namespace partita::launch {
namespace {

struct Variables {
  const char* source;
  const char* rank;
  const char* size;
  const char* local_rank;  // null: not offered; one host is assumed
};

// Explicit variables first, so that a user can override what a surrounding job has set.
constexpr std::array<Variables, 4> kLaunchers = {{
    {"RANK", "RANK", "WORLD_SIZE", "LOCAL_RANK"},
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
    {"PMI", "PMI_RANK", "PMI_SIZE", nullptr},
    {"Slurm", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"},
}};

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

int parse_number(const char* name, const std::string& text) {
  int value = -1;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || value < 0) {
    throw Error(ErrorCode::kInvalidArgument, str("[launch] the environment variable ", name,
                                                 " is \"", text, "\"; expected a number >= 0"));
  }
  return value;
}

}  // namespace

std::optional<RankEnvironment> detect_rank_environment(const Lookup& custom_lookup) {
  const Lookup& lookup = custom_lookup ? custom_lookup : Lookup(environment_variable);
  for (const Variables& variables : kLaunchers) {
    const auto rank = lookup(variables.rank);
    const auto size = lookup(variables.size);
    if (!rank && !size) continue;
    if (!rank || !size) {
      throw Error(ErrorCode::kInvalidArgument, str("[launch] only one of ", variables.rank, " and ",
                                                   variables.size, " is set; set both or none"));
    }
    RankEnvironment found{parse_number(variables.rank, *rank), parse_number(variables.size, *size),
                          0, variables.source};
    if (found.rank >= found.world_size) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[launch] ", variables.rank, " is ", found.rank, " but ", variables.size,
                      " is ", found.world_size, "; expected a rank below the size"));
    }
    const auto local =
        variables.local_rank != nullptr ? lookup(variables.local_rank) : std::nullopt;
    found.local_rank = local ? parse_number(variables.local_rank, *local) : found.rank;
    return found;
  }
  return std::nullopt;
}

}  // namespace partita::launch
