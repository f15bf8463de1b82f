// SPDX-License-Identifier: Apache-2.0
#include "planner/sharing.h"

#include <algorithm>

#include "support/error.h"

namespace partita::planner {
namespace {

bool has_stages(const TriedMesh& mesh) {
  return mesh.mesh.find(kStageAxis) != std::string::npos ||
         mesh.mesh.find('|') != std::string::npos;
}

// Of all weights that could be sent.
int64_t sendable_bytes(const GraphFacts& facts) {
  const ir::Graph& graph = facts.graph();
  int64_t bytes = 0;
  for (ir::ValueId id = 0; id < static_cast<ir::ValueId>(graph.values().size()); ++id) {
    if (facts.may_be_sent(id)) bytes += graph.value(id).type.bytes({});
  }
  return bytes;
}

// Sending costs time and saves memory: no rank has more to spare by it than those weights take. So
// it is no better where there are none, where a rank lacks more, or where all stages looked at fit
// and none keeps a copy that could be sent.
bool may_be_better_sent(const GraphFacts& facts, const SharingPlan& copied) {
  const int64_t bytes = sendable_bytes(facts);
  if (bytes == 0) return false;
  if (!copied.plan.fits) return copied.plan.fullest_rank().excess() <= bytes;
  const bool has_unfit = std::ranges::any_of(
      copied.tried, [](const TriedMesh& mesh) { return has_stages(mesh) && !mesh.fits; });
  if (has_unfit) return true;
  return std::ranges::any_of(copied.plan.copies, [&](const plan::WeightCopy& copy) {
    const auto id = facts.graph().find_value(copy.value);
    return id && facts.may_be_sent(*id);
  });
}

// One stage alone shares with nobody: it is listed once, with the copies.
void add_tried(const char* how, bool is_chosen, SharingPlan& from, std::vector<TriedMesh>& all) {
  if (from.tried.empty()) from.tried = {tried_mesh(from.plan)};
  for (TriedMesh& mesh : from.tried) {
    mesh.is_chosen = mesh.is_chosen && is_chosen;
    if (has_stages(mesh)) mesh.mesh += str(", shared weights ", how);
    const bool is_known = std::ranges::any_of(
        all, [&](const TriedMesh& other) { return other.mesh == mesh.mesh && !mesh.is_chosen; });
    if (!is_known) all.push_back(std::move(mesh));
  }
}

}  // namespace

SharingFacts::SharingFacts(const PlanRequest& request, const ir::Graph& graph)
    : asked_(
          graph, request.keep_whole, request.pins, request.shared_weights == SharedWeights::kSent) {
}

const GraphFacts& SharingFacts::sending() const {
  if (!sending_) sending_.emplace(asked_.sending_shared());
  return *sending_;
}

GraphFacts facts_of(const PlanRequest& request, const plan::Plan& plan) {
  return {request.graph, request.keep_whole, request.pins,
          std::ranges::any_of(plan.copies, &plan::WeightCopy::is_sent)};
}

SharingPlan plan_cheapest_sharing(const PlanRequest& request,
                                  const SharingFacts& facts,
                                  const std::function<SharingPlan(const GraphFacts&)>& plan_with) {
  SharingPlan copied = plan_with(facts.asked());
  const bool is_decided = request.shared_weights != SharedWeights::kByCost;
  if (is_decided || !may_be_better_sent(facts.asked(), copied)) return copied;
  SharingPlan sent = plan_with(facts.sending());
  const bool is_sent = is_better(sent.plan, copied.plan, 0);
  std::vector<TriedMesh> tried;
  add_tried("copied", !is_sent, copied, tried);
  add_tried("sent", is_sent, sent, tried);
  SharingPlan& best = is_sent ? sent : copied;
  best.tried = std::move(tried);
  return std::move(best);
}

bool is_better(const PipelinePlan& plan, const PipelinePlan& best, double gain) {
  if (plan.fits != best.fits) return plan.fits;
  if (!plan.fits) return plan.fullest_rank().excess() < best.fullest_rank().excess();
  return plan.request_seconds < best.request_seconds * (1 - gain);
}

TriedMesh tried_mesh(const PipelinePlan& plan) {
  return {.mesh = plan.parts.to_string(),
          .is_decided = true,
          .is_chosen = true,
          .fits = plan.fits,
          .request_s = plan.request_seconds,
          .step = plan.predicted,
          .rank_bytes = plan.fullest_rank().total(),
          .limit_bytes = plan.fullest_rank().limit};
}

}  // namespace partita::planner
