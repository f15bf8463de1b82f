// SPDX-License-Identifier: Apache-2.0
// Solvers by the name that users give them.
#pragma once

#include <memory>
#include <string_view>

#include "planner/solvers/solver.h"

namespace partita::planner {

// "exact": our own, the default; "ilp": the integer program solved by CBC. Throws kInvalidArgument
// for another name, kUnsupported for "ilp" where partita was built without CBC.
[[nodiscard]] std::unique_ptr<Solver> make_solver(std::string_view name, double time_limit_s);

}  // namespace partita::planner
