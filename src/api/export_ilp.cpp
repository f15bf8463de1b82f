// SPDX-License-Identifier: Apache-2.0
// Writes the integer programs behind a plan.
#include "planner/solvers/ilp_export.h"

#include "api/plan_impl.h"
#include "planner/mesh_parts.h"
#include "planner/planner.h"
#include "planner/solvers/solver_choice.h"
#include "planner/stages/stage_programs.h"

namespace partita {
namespace {

// "plan.lp", or of several stages "plan.stage0.lp", ...
std::filesystem::path file_of_stage(const std::filesystem::path& file,
                                    size_t stage,
                                    size_t stages) {
  if (stages == 1) return file;
  std::filesystem::path own = file;
  own.replace_extension();
  own += ".stage" + std::to_string(stage);
  own += file.extension();
  return own;
}

}  // namespace

void export_ilp(const Model& model,
                const Plan& plan,
                const PlanOptions& options,
                const std::filesystem::path& file) {
  const auto solver = planner::make_solver(options.solver, options.time_limit_seconds);
  planner::PlanRequest request = api::request_of(model, options);
  const bool is_plain = !options.mesh.empty() && options.mesh.find('|') == std::string::npos;
  if (is_plain) request.mesh = spec::Mesh::parse(options.mesh);
  request.solver = solver.get();
  const std::vector<planner::Problem> programs = planner::stage_programs(request, plan.impl().plan);
  for (size_t stage = 0; stage < programs.size(); ++stage) {
    planner::export_ilp(programs[stage], file_of_stage(file, stage, programs.size()));
  }
}

}  // namespace partita
