// SPDX-License-Identifier: Apache-2.0
// Which rank am I? The variables that launchers set.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace partita::launch {

struct RankEnvironment {
  int rank = 0;
  int world_size = 1;
  int local_rank = 0;
  std::string source;  // "RANK", "Open MPI", "PMI", "Slurm"
};

// Reads, first match wins: RANK/WORLD_SIZE/LOCAL_RANK (torchrun style), OMPI_COMM_WORLD_*,
// PMI_RANK/PMI_SIZE, SLURM_PROCID/SLURM_NTASKS/SLURM_LOCALID. Nothing when no launcher set them.
// Throws kInvalidArgument for values that are no number, half a set, or a rank outside 0 .. size-1.
// `lookup` replaces getenv in tests.
using Lookup = std::function<std::optional<std::string>(const std::string&)>;
[[nodiscard]] std::optional<RankEnvironment> detect_rank_environment(const Lookup& lookup = {});

}  // namespace partita::launch
