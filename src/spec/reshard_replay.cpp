// SPDX-License-Identifier: Apache-2.0
// Looks for the step among those that the search would try.
#include "spec/reshard_replay.h"

#include <algorithm>
#include <vector>

#include "spec/reshard_moves.h"

namespace partita::spec {
namespace {

// What is Partial after a step was so before, or is terms of a sum.
bool may_stay(const TensorSpec& before, const PartialAxis& after) {
  for (const PartialAxis& partial : before.partials) {
    if (partial.axis == after.axis) return partial.kind == after.kind;
  }
  return after.kind == ReduceKind::kSum;
}

}  // namespace

bool is_step_from(const TensorSpec& before,
                  const ReshardStep& step,
                  std::span<const int64_t> shape,
                  const Mesh& mesh) {
  const std::vector<PartialAxis>& partials = step.result.partials;
  const bool is_possible = std::all_of(partials.begin(), partials.end(),
                                       [&](const auto& after) { return may_stay(before, after); });
  if (!is_possible) return false;
  const ReshardSpace space(before, step.result, shape, mesh);
  const std::vector<ReshardMove> moves = space.moves(space.start());
  return std::any_of(moves.begin(), moves.end(), [&](const ReshardMove& move) {
    return move.next == space.goal() && move.kind == step.kind &&
           std::equal(move.axes.begin(), move.axes.end(), step.axes.begin(), step.axes.end()) &&
           move.dim == step.dim && move.from_dim == step.from_dim && move.reduce == step.reduce;
  });
}

}  // namespace partita::spec
