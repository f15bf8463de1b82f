// SPDX-License-Identifier: Apache-2.0
// Fuzz target: files by which a user or another tool decides parts of a plan are refused with an
// Error or read. The first byte says as what: pins, a partition_config, a tp_plan, lists of linear
// layers, or one decision.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "planner/pins/autotp_items.h"
#include "planner/pins/name_pattern.h"
#include "planner/pins/partition_config.h"
#include "planner/pins/pin.h"
#include "planner/pins/pin_decision.h"
#include "planner/pins/tp_plan.h"
#include "support/error.h"

namespace {

using namespace partita;

void read_pins(std::string_view text) {
  for (const planner::Pin& pin : planner::parse_pins(text, "pins.toml")) {
    (void)planner::NamePattern(pin.match, pin.source).matches("layers.0.mlp.down_proj.weight");
    (void)planner::parse_decision(pin.decision, pin.source);
  }
}

void read_partition_config(std::string_view text) {
  const auto config = planner::partition_config_from_json(parse_json(text, "file"), "file");
  for (const planner::LayerSpec& spec : config.specs) {
    (void)spec.matches("model.layers.0.mlp.down_proj.weight", "llama");
    planner::check_shape(spec, "model.layers.0.mlp.down_proj.weight", 96);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 5) {
      case 0:
        read_pins(text);
        break;
      case 1:
        read_partition_config(text);
        break;
      case 2:
        (void)planner::tp_plan_from_json(parse_json(text, "config.json"), "config.json");
        break;
      case 3:
        (void)planner::parse_items(text, "keepLinearItems");
        break;
      default:
        (void)planner::parse_decision(text, "--pin");
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInternal) std::abort();
  }
  return 0;
}
