// SPDX-License-Identifier: Apache-2.0
// The planner's own plan against those made by hand, under the same cost model.
#include <algorithm>
#include <array>
#include <cstdio>

#include "api/model_impl.h"
#include "api/plan_impl.h"
#include "planner/baselines/baselines.h"
#include "planner/mesh_parts.h"
#include "support/error.h"

namespace partita {
namespace {

struct Row {
  std::string plan;
  std::string mesh;
  plan::CostTerms step;
  double request_s = 0;
};

std::string line(const Row& row, double own_request_s) {
  const double decode_s = row.step.decode_compute_s + row.step.decode_comm_s;
  const double prefill_s = row.step.prefill_compute_s + row.step.prefill_comm_s;
  std::array<char, 256> buffer{};
  (void)std::snprintf(buffer.data(), buffer.size(),
                      "%-12s %-24s %12.4f ms %12.4f ms %12.4f ms %8.4f\n", row.plan.c_str(),
                      row.mesh.c_str(), decode_s * 1e3, prefill_s * 1e3, row.request_s * 1e3,
                      row.request_s / own_request_s);
  return buffer.data();
}

Row own_row(const Plan& plan, const PlanOptions& options) {
  const plan::Plan& own = plan.impl().plan;
  Row row = {"planner", options.mesh, own.predicted, 0};
  for (const PlanCandidate& candidate : plan.candidates()) {
    if (candidate.is_chosen) row.mesh = candidate.mesh;
  }
  const plan::Workload& workload = own.workload;
  row.request_s = static_cast<double>(workload.output_tokens) * plan.predicted_decode_seconds() +
                  static_cast<double>(workload.prompt_tokens) /
                      static_cast<double>(workload.max_step_tokens) *
                      plan.predicted_prefill_seconds();
  return row;
}

}  // namespace

std::string compare_baselines(const Model& model, const PlanOptions& options) {
  if (options.mesh.find('|') != std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[plan] stages one by one (", options.mesh,
                    ") are not how baselines lie; give a mesh of equal stages, or --ranks"));
  }
  const Plan plan = Plan::make(model, options);
  planner::PlanRequest request = api::request_of(model, options);
  std::vector<spec::Mesh> meshes;
  if (!options.mesh.empty()) meshes.push_back(spec::Mesh::parse(options.mesh));
  if (options.mesh.empty()) {
    meshes = planner::baseline_meshes(request.graph, int64_t{plan.ranks()} * plan.replicas());
  }
  const Row own = own_row(plan, options);
  std::string text = str("plan         mesh                          decode step    prefill chunk",
                         "         request    ratio\n", line(own, own.request_s));
  for (const spec::Mesh& mesh : meshes) {
    request.mesh = mesh;
    for (const auto baseline : {planner::Baseline::kMegatron, planner::Baseline::kEvenLayers}) {
      const planner::BaselinePrice price = planner::price_baseline(request, baseline);
      if (!price.fits) {
        text += str(planner::to_string(baseline), " on ", price.mesh, " does not fit\n");
        continue;
      }
      text += line({planner::to_string(baseline), price.mesh, price.step, price.request_s},
                   own.request_s);
    }
  }
  return text;
}

}  // namespace partita
