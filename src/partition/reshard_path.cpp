// SPDX-License-Identifier: Apache-2.0
// Finds the reshard of a value.
#include "partition/reshard_path.h"

#include <algorithm>
#include <utility>

#include "support/error.h"

namespace partita::partition {
namespace {

// Size of every symbolic dim when paths of an unpriced reshard are compared.
constexpr int64_t kAssumedSymbolSize = 16;

// Elements moved, with a start-up cost so that fewer messages win. Only compares paths of one
// value.
double moved_elements(const spec::StepShape& step) {
  constexpr double kStartElements = 1024;
  const double group = static_cast<double>(step.group_size);
  const double share = group > 0 ? (group - 1) / group : 0;
  const auto in = static_cast<double>(step.elements_in);
  const auto out = static_cast<double>(step.elements_out);
  switch (step.kind) {
    case spec::ReshardKind::kSlice:
      return out * 0.01;
    case spec::ReshardKind::kAllGather:
      return kStartElements + out * share;
    case spec::ReshardKind::kReduceScatter:
      return kStartElements + in * share;
    case spec::ReshardKind::kAllReduce:
      return 2 * (kStartElements + in * share);
    case spec::ReshardKind::kAllToAll:
      return kStartElements + in * share;
    case spec::ReshardKind::kPermute:
      return kStartElements + in;
    case spec::ReshardKind::kTerm:
      return out * 0.01;
  }
  return 0;
}

std::vector<int64_t> assumed_shape(const ir::TensorType& type) {
  std::vector<int64_t> shape = type.shape();
  for (int64_t& size : shape) {
    if (size < 0) size = -kAssumedSymbolSize;  // as spec::cheapest_path() wants symbolic dims
  }
  return shape;
}

using Listed = std::vector<const plan::ReshardDecision*>;

bool names(const plan::ReshardDecision& reshard, std::string_view consumer) {
  return std::ranges::find(reshard.consumers, consumer) != reshard.consumers.end();
}

// Appends the listed steps from request.from to `to`, using only the first `count` reshards: each
// continues its own spec or an earlier reshard, so this ends. False when the list does not lead
// there.
bool append_listed(const Listed& listed,
                   size_t count,
                   const ReshardRequest& request,
                   const spec::TensorSpec& to,
                   spec::ReshardPath& path) {
  if (request.from == to) return true;
  for (const bool for_consumer : {true, false}) {
    for (size_t i = count; i-- > 0;) {
      const plan::ReshardDecision& reshard = *listed[i];
      if (reshard.to != to || names(reshard, request.consumer) != for_consumer) continue;
      if (reshard.steps.empty() || reshard.steps.back().result != to) continue;
      spec::ReshardPath found;
      if (!append_listed(listed, i, request, reshard.from, found)) continue;
      found.insert(found.end(), reshard.steps.begin(), reshard.steps.end());
      path = std::move(found);
      return true;
    }
  }
  return false;
}

}  // namespace

spec::ReshardPath reshard_path(const PlanIndex& index, int stage, const ReshardRequest& request) {
  if (request.from == request.to) return {};
  const ir::Value& value = index.graph().value(request.value);
  const std::vector<int64_t> shape = value.type.shape();
  const spec::Mesh& mesh = index.plan().stages[static_cast<size_t>(stage)].mesh;
  const Listed listed = index.reshards_of(request.value, stage);
  spec::ReshardPath path;
  if (append_listed(listed, listed.size(), request, request.to, path)) {
    for (const spec::ReshardStep& step : path) spec::validate(step.result, shape, mesh);
    return path;
  }
  auto found = spec::cheapest_path(request.from, request.to, assumed_shape(value.type), mesh,
                                   moved_elements);
  if (!found) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[partition] the plan contradicts the graph: no collective turns \"",
                    value.name, "\" from ", spec::to_string(request.from, shape, mesh), " into ",
                    spec::to_string(request.to, shape, mesh),
                    "; change the strategy of the op that makes it or of the ops that read it"));
  }
  return std::move(found->steps);
}

}  // namespace partita::partition
