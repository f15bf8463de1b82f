// SPDX-License-Identifier: Apache-2.0
#include "api/stage_region.h"

#include <algorithm>

#include "api/step_binding.h"

namespace partita::api {

comm::RegionOptions region_for(const ir::Graph& graph, const plan::Plan& plan) {
  constexpr int64_t kStepsAhead = 2;
  comm::RegionOptions options;
  // A message begins on a slot of its own.
  const int64_t step_bytes = stage_message_bytes(graph, plan) + comm::kRingSlotBytes;
  options.ring_bytes = std::max(options.ring_bytes, kStepsAhead * step_bytes);
  return options;
}

}  // namespace partita::api
