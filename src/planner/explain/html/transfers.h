// SPDX-License-Identifier: Apache-2.0
// What stages hand to each other, as rows and as a table of the page.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "plan/plan.h"

namespace partita::planner {

// A value that one stage sends to another, whole: bytes per sending rank and receiving one.
struct StageTransfer {
  std::string value;
  int from = 0;
  int to = 0;
  bool is_weight = false;     // that the receiving stage does not store
  int64_t decode_bytes = 0;   // in one decode step
  int64_t prefill_bytes = 0;  // in one prefill chunk
};

// In the order in which they are read. Costs O(nodes).
[[nodiscard]] std::vector<StageTransfer> transfers_of(const plan::Plan& plan,
                                                      const ir::Graph& graph);

// Markup; with the predicted seconds of all of them together.
[[nodiscard]] std::string transfers_table(const std::vector<StageTransfer>& transfers,
                                          const plan::Plan& plan);

}  // namespace partita::planner
