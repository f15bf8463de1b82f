// SPDX-License-Identifier: Apache-2.0
#include "planner/stages/range_bytes.h"

namespace partita::planner {

void RangeBytes::add(std::span<const Use> uses, int64_t bytes) {
  int64_t previous = ir::kNoId;
  for (const Use& use : uses) {
    if (use.node == ir::kNoId || use.node == previous) continue;
    before_[static_cast<size_t>(use.node) + 1] += bytes;
    if (previous != ir::kNoId) shared_.push_back({previous, use.node, bytes});
    previous = use.node;
  }
}

void RangeBytes::finish() {
  for (size_t i = 1; i < before_.size(); ++i) before_[i] += before_[i - 1];
}

int64_t RangeBytes::of(Range nodes) const {
  int64_t bytes =
      before_[static_cast<size_t>(nodes.end)] - before_[static_cast<size_t>(nodes.begin)];
  for (const SharedRead& read : shared_) {
    if (nodes.begin <= read.first && read.second < nodes.end) bytes -= read.bytes;
  }
  return bytes;
}

RangeBytes whole_bytes(const GraphFacts& facts, const ir::SymbolSizes& largest, bool states) {
  RangeBytes bytes(facts.node_count());
  const auto& values = facts.graph().values();
  for (ir::ValueId id = 0; id < static_cast<ir::ValueId>(values.size()); ++id) {
    const ir::Value& value = values[static_cast<size_t>(id)];
    const bool is_counted =
        value.kind == ir::ValueKind::kWeight || (states && value.kind == ir::ValueKind::kState);
    if (is_counted) bytes.add(facts.uses_of(id), value.type.bytes(largest));
  }
  bytes.finish();
  return bytes;
}

}  // namespace partita::planner
