// SPDX-License-Identifier: Apache-2.0
#include "planner/stages/stage_programs.h"

#include <algorithm>

#include "planner/pipeline.h"
#include "planner/sharing.h"
#include "planner/solvers/eliminate.h"
#include "planner/stages/submesh_spaces.h"
#include "support/error.h"

namespace partita::planner {
namespace {

// Keeps the problems it has solved, with what their solutions cost.
class RecordingSolver : public Solver {
 public:
  explicit RecordingSolver(const Solver& solver) : solver_(solver) {}

  [[nodiscard]] Solution solve(const Problem& problem) const override {
    Solution solution = solver_.solve(problem);
    solved_.push_back({problem, solution.cost});
    return solution;
  }

  // The last one of that cost; forgets all.
  [[nodiscard]] Problem take(Cost cost) {
    const auto found = std::find_if(solved_.rbegin(), solved_.rend(),
                                    [&](const Solved& solved) { return solved.cost == cost; });
    CHECK(found != solved_.rend(), "a stage that no solver has decided");
    Problem problem = std::move(found->problem);
    solved_.clear();
    return problem;
  }

 private:
  struct Solved {
    Problem problem;
    Cost cost = 0;
  };
  const Solver& solver_;
  mutable std::vector<Solved> solved_;
};

}  // namespace

std::vector<Problem> stage_programs(const PlanRequest& request, const plan::Plan& plan) {
  const EliminationSolver exact(request.time_limit_s);
  RecordingSolver recorder(request.solver != nullptr ? *request.solver : exact);
  PlanRequest recorded = request;
  recorded.solver = &recorder;
  recorded.workload = plan.workload;
  const GraphFacts facts = facts_of(request, plan);
  SubmeshSpaces spaces(facts, recorded, request.profile, plan.replicas);
  const MeshParts parts = parts_of_plan(plan, request.mesh);
  std::vector<Problem> programs;
  for (size_t stage = 0; stage < plan.stages.size(); ++stage) {
    const Range nodes = {plan.stages[stage].first_node, plan.stages[stage].end_node};
    const StagePlan decided = spaces.decide(parts.devices_of_stage(stage), nodes, true);
    if (!decided.fits) {
      throw Error(ErrorCode::kInfeasible,
                  str("[planner] stage ", stage, " does not fit; plan for more memory or ranks"));
    }
    programs.push_back(recorder.take(decided.cost));
  }
  return programs;
}

}  // namespace partita::planner
