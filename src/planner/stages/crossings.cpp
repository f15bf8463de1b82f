// SPDX-License-Identifier: Apache-2.0
#include "planner/stages/crossings.h"

#include <algorithm>
#include <map>

#include "cost/collective_cost.h"
#include "planner/mesh_parts.h"

namespace partita::planner {

std::vector<ResultRead> reads_of_results(const GraphFacts& facts) {
  std::vector<ResultRead> reads;
  const auto& values = facts.graph().values();
  for (ir::ValueId id = 0; id < static_cast<ir::ValueId>(values.size()); ++id) {
    const bool is_result = values[static_cast<size_t>(id)].kind == ir::ValueKind::kResult;
    if (!is_result && !facts.is_sent(id)) continue;
    const auto& uses = facts.uses_of(id);
    if (uses.empty()) continue;
    const int64_t made = is_result ? values[static_cast<size_t>(id)].producer : uses.front().node;
    for (const Use& use : uses) {
      const int64_t read = use.node == ir::kNoId ? facts.node_count() : use.node;
      reads.push_back({id, made, read});
    }
  }
  return reads;
}

PhaseSeconds handover_seconds(const ir::TensorType& type,
                              const Handover& handover,
                              const Phases& phases) {
  const auto seconds = [&](const ir::SymbolSizes& symbols) {
    const double one = cost::transfer_seconds(static_cast<double>(type.bytes(symbols)),
                                              handover.profile, kStageAxis);
    return static_cast<double>(handover.messages) * one;
  };
  return {seconds(phases.decode), seconds(phases.prefill)};
}

std::vector<double> border_seconds(const GraphFacts& facts,
                                   const Phases& phases,
                                   const Handover& handover,
                                   std::span<const int64_t> borders) {
  std::map<ir::ValueId, ResultRead> last_reads;
  for (const ResultRead& read : reads_of_results(facts)) {
    ResultRead& last = last_reads.try_emplace(read.value, read).first->second;
    last.read = std::max(last.read, read.read);
  }
  std::vector<double> change(static_cast<size_t>(facts.node_count()) + 2, 0);
  for (const auto& [id, read] : last_reads) {
    const double seconds =
        phases.request_seconds(handover_seconds(facts.graph().value(id).type, handover, phases));
    change[static_cast<size_t>(read.made) + 1] += seconds;
    change[static_cast<size_t>(read.read) + 1] -= seconds;
  }
  std::vector<double> before_node(change.size(), 0);
  for (size_t i = 1; i < change.size(); ++i) before_node[i] = before_node[i - 1] + change[i];
  std::vector<double> result;
  for (const int64_t border : borders) {
    result.push_back(before_node[static_cast<size_t>(border)]);
  }
  return result;
}

}  // namespace partita::planner
