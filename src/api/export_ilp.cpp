// SPDX-License-Identifier: Apache-2.0
// Writes the integer program behind a plan.
#include "planner/solvers/ilp_export.h"

#include "api/plan_impl.h"
#include "planner/planner.h"
#include "planner/solvers/solver_choice.h"
#include "support/error.h"

namespace partita {
namespace {

// Keeps the last problem it has solved.
class RecordingSolver : public planner::Solver {
 public:
  explicit RecordingSolver(const planner::Solver& solver) : solver_(solver) {}
  [[nodiscard]] planner::Solution solve(const planner::Problem& problem) const override {
    last_ = problem;
    return solver_.solve(problem);
  }
  [[nodiscard]] const planner::Problem& last() const { return last_; }

 private:
  const planner::Solver& solver_;
  mutable planner::Problem last_;
};

// The mesh to ask the planner for, replicas included.
spec::Mesh mesh_of(const plan::Plan& plan) {
  if (plan.replicas == 1) return plan.mesh;
  const std::string replica = plan.mesh.to_string();
  return spec::Mesh::parse(str("dp=", plan.replicas, replica.empty() ? "" : ",", replica));
}

}  // namespace

void export_ilp(const Model& model,
                const Plan& plan,
                const PlanOptions& options,
                const std::filesystem::path& file) {
  const size_t stages = plan.impl().plan.stages.size();
  if (stages != 1) {
    throw Error(ErrorCode::kUnsupported,
                str("[plan] the plan has ", stages,
                    " stages, each an integer program of its own; export a plan without pp"));
  }
  if (!options.devices.empty() && !api::request_of(model, options).profile.is_uniform()) {
    throw Error(
        ErrorCode::kUnsupported,
        "[plan] how unlike devices share is chosen between several integer programs; export "
        "a plan for devices of one kind");
  }
  const auto solver = planner::make_solver(options.solver, options.time_limit_seconds);
  const RecordingSolver recorder(*solver);
  planner::PlanRequest request = api::request_of(model, options);
  request.mesh = mesh_of(plan.impl().plan);
  request.solver = &recorder;
  (void)planner::make_plan(request);
  planner::export_ilp(recorder.last(), file);
}

}  // namespace partita
