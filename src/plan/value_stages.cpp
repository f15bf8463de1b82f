// SPDX-License-Identifier: Apache-2.0
#include "plan/value_stages.h"

namespace partita::plan {

std::vector<int> stages_of_values(const ir::Graph& graph, std::span<const Stage> stages) {
  constexpr int kUnknown = -1;
  std::vector<int> result(graph.values().size(), kUnknown);
  int stage = 0;
  for (size_t node = 0; node < graph.nodes().size(); ++node) {
    while (stage + 1 < static_cast<int>(stages.size()) &&
           static_cast<int64_t>(node) >= stages[static_cast<size_t>(stage)].end_node) {
      ++stage;
    }
    for (const ir::ValueId id : graph.nodes()[node].inputs) {
      int& of_value = result[static_cast<size_t>(id)];
      if (of_value == kUnknown) of_value = stage;
    }
    for (const ir::ValueId id : graph.nodes()[node].outputs) {
      result[static_cast<size_t>(id)] = stage;
    }
  }
  for (int& of_value : result) {
    if (of_value == kUnknown) of_value = 0;
  }
  return result;
}

}  // namespace partita::plan
