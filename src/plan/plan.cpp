// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include <algorithm>

#include "support/error.h"

namespace partita::plan {

int Plan::stage_of_rank(int rank) const {
  for (size_t i = 0; i < stages.size(); ++i) {
    const auto& ranks = stages[i].mesh.ranks();
    if (std::find(ranks.begin(), ranks.end(), rank) != ranks.end()) return static_cast<int>(i);
  }
  CHECK(false, "rank ", rank, " is in no stage of a plan for ", ranks(), " ranks");
  return -1;
}

int Plan::stage_of_node(int64_t node) const {
  for (size_t i = 0; i < stages.size(); ++i) {
    if (stages[i].first_node <= node && node < stages[i].end_node) return static_cast<int>(i);
  }
  CHECK(false, "node ", node, " is in no stage");
  return -1;
}

std::string cache_dtype_of(const ir::Graph& graph) {
  const auto& values = graph.values();
  const auto state = std::ranges::find(values, ir::ValueKind::kState, &ir::Value::kind);
  return std::string(to_string(state == values.end() ? DType::kF32 : state->type.dtype));
}

}  // namespace partita::plan
