// SPDX-License-Identifier: Apache-2.0
// DeepSpeed's partition_config: patterns over tensor names that say how layers are cut.
#pragma once

#include <cstdint>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "plan/plan_keys.h"
#include "support/json.h"

namespace partita::planner {

// For messages about the keys of these files.
inline constexpr plan::KeyedObject::File kAutoTpFile = {"autotp", "docs/formats/pins.md"};

enum class PartitionType : uint8_t { kRow, kColumn, kSkip };

// One dim of a shape: a size, -1 (the rest), or the sizes of fused parts.
struct ShapeDim {
  std::vector<int64_t> sizes;
  bool is_fused = false;
};

struct LayerSpec {
  std::vector<std::string> patterns;  // as written
  std::vector<std::regex> compiled;   // ECMAScript; they match from the begin of a name
  PartitionType type = PartitionType::kColumn;
  std::vector<ShapeDim> shape;           // empty = not given
  std::optional<int> partition_dim;      // of the shape
  std::vector<std::string> model_types;  // empty = all
  bool gathers_output = false;
  bool is_default = false;  // of a preset: need not match anything
  std::string source;       // "partition_config: FILE layer_specs[2]"

  [[nodiscard]] bool matches(const std::string& tensor, std::string_view model_type) const;
};

struct PartitionConfig {
  bool use_default_specs = true;
  bool strict = false;
  std::vector<LayerSpec> specs;  // the user's before those of the preset
};

// `place` = file and key, for messages. Throws kInvalidFile naming place, key and rule: unknown
// keys, bad patterns, shapes with two -1, with fused parts elsewhere than at partition_dim, ...
[[nodiscard]] PartitionConfig partition_config_from_json(const Json& json,
                                                         const std::string& place);
[[nodiscard]] LayerSpec layer_spec_from_json(const Json& json, const std::string& place);

// Throws kInvalidArgument when a tensor of so many elements cannot have the shape of the spec.
void check_shape(const LayerSpec& spec, std::string_view tensor, int64_t elements);

}  // namespace partita::planner
