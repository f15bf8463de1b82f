// SPDX-License-Identifier: Apache-2.0
// The public questions about a plan.
#include "partita/explain.h"

#include "api/model_impl.h"
#include "api/plan_impl.h"
#include "planner/explain/alternatives.h"
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
  if (!options.mesh.empty()) request.mesh = spec::Mesh::parse(options.mesh);
  return request;
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

}  // namespace partita
