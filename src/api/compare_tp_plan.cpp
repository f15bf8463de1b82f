// SPDX-License-Identifier: Apache-2.0
// The planner's own plan against an imported one, under the same cost model.
#include <array>
#include <cstdio>

#include "api/model_impl.h"
#include "api/plan_impl.h"
#include "api/plan_pins.h"
#include "support/error.h"

namespace partita {
namespace {

struct Times {
  double decode_s = 0;   // per step
  double prefill_s = 0;  // per full chunk
  double request_s = 0;
};

Times times_of(const planner::PlanResult& result, const char* whose) {
  if (const auto* infeasible = std::get_if<planner::Infeasible>(&result)) {
    throw Error(ErrorCode::kInfeasible, str(infeasible->reason, " (", whose, ")"));
  }
  const auto& plan = std::get<plan::Plan>(result);
  Times times;
  times.decode_s = plan.predicted.decode_compute_s + plan.predicted.decode_comm_s;
  times.prefill_s = plan.predicted.prefill_compute_s + plan.predicted.prefill_comm_s;
  const double chunks = static_cast<double>(plan.workload.prompt_tokens) /
                        static_cast<double>(plan.workload.max_step_tokens);
  times.request_s =
      static_cast<double>(plan.workload.output_tokens) * times.decode_s + chunks * times.prefill_s;
  return times;
}

std::string line(const char* name, const Times& times) {
  std::array<char, 128> buffer{};
  (void)std::snprintf(buffer.data(), buffer.size(), "%-10s %14.4f ms %14.4f ms %14.4f ms\n", name,
                      times.decode_s * 1e3, times.prefill_s * 1e3, times.request_s * 1e3);
  return buffer.data();
}

}  // namespace

std::string compare_tp_plan(const Model& model, const PlanOptions& options) {
  PlanOptions own = options;
  own.tp_plan.clear();
  planner::PlanRequest request = api::request_of(model, own);
  const std::string mesh =
      options.mesh.empty() ? str("tp=", std::max(1, options.ranks)) : options.mesh;
  request.mesh = spec::Mesh::parse(mesh);
  const Times planned = times_of(planner::make_plan(request), "the planner's own plan");
  const planner::TpPlan plan =
      api::read_tp_plan(model, options.tp_plan.empty() ? "config" : options.tp_plan);
  planner::TpPlanImport import =
      planner::import_tp_plan(request.graph, plan, planner::Unlisted::kWhole);
  for (planner::Pin& pin : import.pins) request.pins.push_back(std::move(pin));
  const Times imported = times_of(planner::make_plan(request), "the imported plan");
  std::array<char, 160> ratio{};
  (void)std::snprintf(ratio.data(), ratio.size(),
                      "a request takes %.4f times as long with the imported plan\n",
                      imported.request_s / planned.request_s);
  return str("mesh ", mesh, "\nplan          decode step     prefill chunk           request\n",
             line("planner", planned), line("tp_plan", imported), ratio.data(),
             planner::report_of(import));
}

}  // namespace partita
