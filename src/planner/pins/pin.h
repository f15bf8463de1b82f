// SPDX-License-Identifier: Apache-2.0
// Pins: decisions that are taken before the planner chooses the rest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace partita::planner {

// Who asks, strongest first. Where two levels cannot both be followed at one operator or tensor,
// the weaker one gives way there; two pins of one level that cannot both be followed are an error.
enum class PinLevel : uint8_t {
  kUser,             // --pin, --pins FILE
  kPartitionConfig,  // patterns of a configuration file
  kTpPlan,           // base_model_tp_plan
  kHeuristic,        // rules by name and order
};

// Text only; docs/formats/pins.md has the grammar. Example:
// {"layers.*.mlp.down_proj", "k:tp", "--pin"}.
struct Pin {
  std::string match;     // glob over the names of tensors and operators of the graph
  std::string decision;  // "[_, _:tp]", "n:tp", "replicated", "stage 1"
  std::string source;    // where it was written, for plans and messages: "pins.toml:3"
  PinLevel level = PinLevel::kUser;
  bool operator==(const Pin&) const = default;
};

// "PATTERN=DECISION". Throws kInvalidArgument naming the text.
[[nodiscard]] Pin parse_pin(std::string_view text, std::string source);

// A pins file (TOML). `what` is its name in messages and sources. Throws kInvalidFile naming file,
// line and rule.
[[nodiscard]] std::vector<Pin> parse_pins(std::string_view text, std::string_view what);
// Throws kNotFound as well.
[[nodiscard]] std::vector<Pin> load_pins(const std::filesystem::path& file);

}  // namespace partita::planner
