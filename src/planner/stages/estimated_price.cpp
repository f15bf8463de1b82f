// SPDX-License-Identifier: Apache-2.0
#include "planner/stages/estimated_price.h"

#include <algorithm>
#include <limits>

namespace partita::planner {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// The shares of the devices may differ from stage to stage.
double best_of(const SubmeshSpaces::Estimates& estimates, Range nodes, bool must_fit) {
  double best = kNever;
  for (const auto& estimate : estimates) {
    if (!must_fit || estimate->fits(nodes)) best = std::min(best, estimate->seconds(nodes));
  }
  return best;
}

}  // namespace

std::vector<SharedWeight> weights_to_keep_together(const SubmeshSpaces& spaces) {
  std::vector<SharedWeight> result;
  if (spaces.request().shared_weights != SharedWeights::kTogether) return result;
  const auto& values = spaces.facts().graph().values();
  for (ir::ValueId id = 0; id < static_cast<ir::ValueId>(values.size()); ++id) {
    if (values[static_cast<size_t>(id)].kind != ir::ValueKind::kWeight) continue;
    SharedWeight shared = {values[static_cast<size_t>(id)].name, spaces.facts().node_count(), -1};
    for (const Use& use : spaces.facts().uses_of(id)) {
      if (use.node == ir::kNoId) continue;
      shared.first = std::min<int64_t>(shared.first, use.node);
      shared.last = std::max<int64_t>(shared.last, use.node);
    }
    if (shared.first < shared.last) result.push_back(std::move(shared));
  }
  return result;
}

EstimatedPrice::EstimatedPrice(SubmeshSpaces& spaces, const spec::Mesh& devices, Trust trust)
    : fastest_(spaces.fastest(devices)),
      smallest_(trust == Trust::kFastest ? nullptr : &spaces.smallest(devices)),
      is_bounded_(trust != Trust::kAny),
      node_count_(spaces.facts().node_count()),
      together_(weights_to_keep_together(spaces)) {}

void EstimatedPrice::keep_out(std::span<const int> pinned_stage, int stage) {
  misplaced_before_ = {0};
  for (const int pinned : pinned_stage) {
    const bool is_misplaced = pinned >= 0 && pinned != stage;
    misplaced_before_.push_back(misplaced_before_.back() + (is_misplaced ? 1 : 0));
  }
}

bool EstimatedPrice::may_be_stage(Range nodes) const {
  if (misplaced_before_.size() > 1 && misplaced_before_[static_cast<size_t>(nodes.end)] !=
                                          misplaced_before_[static_cast<size_t>(nodes.begin)]) {
    return false;
  }
  return std::ranges::none_of(together_, [&](const SharedWeight& shared) {
    const bool has_first = nodes.begin <= shared.first && shared.first < nodes.end;
    const bool has_last = nodes.begin <= shared.last && shared.last < nodes.end;
    return has_first != has_last;
  });
}

double EstimatedPrice::seconds(Range nodes) const {
  if (!may_be_stage(nodes)) return kNever;
  const double fastest = best_of(fastest_, nodes, true);
  if (fastest < kNever || smallest_ == nullptr) return fastest;
  return best_of(*smallest_, nodes, is_bounded_);
}

double EstimatedPrice::whole_seconds() const { return best_of(fastest_, {0, node_count_}, false); }

}  // namespace partita::planner
