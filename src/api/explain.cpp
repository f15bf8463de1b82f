// SPDX-License-Identifier: Apache-2.0
// The public questions about a plan.
#include "partita/explain.h"

#include <cmath>

#include "api/model_impl.h"
#include "api/plan_impl.h"
#include "planner/explain/alternatives.h"
#include "planner/explain/html/page.h"
#include "planner/explain/human_text.h"
#include "planner/explain/plan_diff.h"
#include "planner/explain/why_not.h"
#include "support/error.h"

namespace partita {
namespace {

// The request that the plan answers, also when the plan was read from a file.
planner::PlanRequest request_behind(const Plan& plan, PlanOptions options) {
  const int64_t ranks = plan.impl().plan.ranks() * plan.impl().plan.replicas;
  if (options.mesh.empty()) options.ranks = static_cast<int>(ranks);
  planner::PlanRequest request = api::request_of(plan.impl().model, options);
  request.mesh = plan.impl().plan.mesh;
  return request;
}

// How much worse a mesh is than the chosen one, or why it is none at all.
std::string verdict_on(const PlanCandidate& candidate, const PlanCandidate* chosen) {
  if (candidate.is_chosen) return "chosen";
  if (!candidate.fits && candidate.is_estimate) return "does not fit by an estimate";
  if (!candidate.fits) {
    const auto excess = candidate.rank_bytes - candidate.limit_bytes;
    return str("does not fit: ", planner::bytes_text(excess), " too much");
  }
  if (chosen == nullptr || chosen->request_seconds <= 0) return "fits";
  const double change = candidate.request_seconds / chosen->request_seconds - 1;
  if (std::abs(change) < 0.0005) return "as fast";
  // A mesh with more stages or axes is taken when it is 2 % faster.
  return str(planner::fixed_text(std::abs(change) * 100, 1), " % ",
             change < 0 ? "faster" : "slower", " per request",
             candidate.is_estimate ? " by an estimate" : "",
             change < 0 ? ", but more complicated" : "");
}

std::vector<planner::PageCandidate> page_candidates(const Plan& plan) {
  const PlanCandidate* chosen = nullptr;
  for (const PlanCandidate& candidate : plan.candidates()) {
    if (candidate.is_chosen) chosen = &candidate;
  }
  std::vector<planner::PageCandidate> rows;
  for (const PlanCandidate& candidate : plan.candidates()) {
    rows.push_back({.mesh = candidate.mesh.empty() ? "1 rank" : candidate.mesh,
                    .is_chosen = candidate.is_chosen,
                    .fits = candidate.fits,
                    .is_estimate = candidate.is_estimate,
                    .request_s = candidate.request_seconds,
                    .decode_s = candidate.decode_seconds,
                    .prefill_s = candidate.prefill_seconds,
                    .rank_bytes = candidate.rank_bytes,
                    .limit_bytes = candidate.limit_bytes,
                    .verdict = verdict_on(candidate, chosen)});
  }
  return rows;
}

}  // namespace

std::string explain(const Plan& plan, const PlanOptions& options, const Question& question) {
  const planner::PlanRequest request = request_behind(plan, options);
  planner::OpenPlan open(request, plan.impl().plan);
  if (!question.why_not.empty()) {
    const planner::WhyNot answer = planner::why_not(open, question.name, question.why_not);
    return question.as_json ? planner::to_json(answer).dump(2) + "\n" : planner::to_text(answer);
  }
  const auto explanations = planner::explain_choices(open, question.name);
  Json list = Json::array();
  std::string text;
  for (const planner::Explanation& explanation : explanations) {
    list.push_back(planner::to_json(explanation));
    text += (text.empty() ? "" : "\n") + planner::to_text(explanation, open);
  }
  return question.as_json ? list.dump(2) + "\n" : text;
}

std::string diff(const Plan& before, const Plan& after, bool as_json) {
  const plan::Plan& a = before.impl().plan;
  const plan::Plan& b = after.impl().plan;
  if (a.graph_hash != b.graph_hash) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[diff] the plans are for the graphs ", a.graph_hash, " (", a.model, ") and ",
                    b.graph_hash, " (", b.model, "); only plans of one model can be compared"));
  }
  const planner::PlanDiff result =
      planner::diff_plans(a, b, before.impl().model.impl().imported.graph);
  return as_json ? planner::to_json(result).dump(2) + "\n" : planner::to_text(result);
}

std::string to_html(const Plan& plan) {
  const std::vector<planner::PageCandidate> candidates = page_candidates(plan);
  return planner::plan_page({.plan = plan.impl().plan,
                             .graph = plan.impl().model.impl().imported.graph,
                             .candidates = candidates});
}

}  // namespace partita
