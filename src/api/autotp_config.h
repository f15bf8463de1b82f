// SPDX-License-Identifier: Apache-2.0
// The file of --autotp, as DeepSpeed's configuration has it, and the presets by model type.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "planner/pins/autotp.h"

namespace partita::api {

struct AutoTpConfig {
  int64_t size = 0;  // autotp_size; 0 = not given
  std::optional<planner::ItemList> all_reduce;
  std::optional<planner::ItemList> keep;
  std::vector<planner::InjectionPolicy> policies;
  std::optional<planner::PartitionConfig> partition;
};

// JSON; docs/formats/pins.md lists the keys. Throws kNotFound, kInvalidFile naming file, key and
// rule (an unknown preset names the known ones).
[[nodiscard]] AutoTpConfig load_autotp_config(const std::filesystem::path& file);

// Patterns for a model type, e.g. of embeddings and fused layers. Empty for unknown names.
[[nodiscard]] std::vector<planner::LayerSpec> autotp_preset(std::string_view name);
[[nodiscard]] std::vector<std::string> autotp_preset_names();

}  // namespace partita::api
