// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/solver_choice.h"

#include "planner/solvers/cbc.h"
#include "planner/solvers/eliminate.h"
#include "planner/solvers/ilp_solver.h"
#include "support/error.h"

namespace partita::planner {

std::unique_ptr<Solver> make_solver(std::string_view name, double time_limit_s) {
  if (name == "exact") return std::make_unique<EliminationSolver>(time_limit_s);
  if (name != "ilp") {
    throw Error(ErrorCode::kInvalidArgument,
                str("[solver] there is no solver \"", name, "\"; expected exact or ilp"));
  }
  if (!has_cbc()) {
    throw Error(ErrorCode::kUnsupported,
                "[solver] this partita was built without CBC; install coinor-libcbc-dev and build "
                "it again, or use the solver exact");
  }
  return std::make_unique<IlpSolver>(time_limit_s);
}

}  // namespace partita::planner
