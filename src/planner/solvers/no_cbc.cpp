// SPDX-License-Identifier: Apache-2.0
// Stands in for cbc.cpp where CBC is not installed.
#include "planner/solvers/cbc.h"
#include "support/error.h"

namespace partita::planner {

bool has_cbc() { return false; }

IlpAnswer solve_with_cbc(const IlpModel&, double) {
  throw Error(ErrorCode::kUnsupported,
              "[ilp] this partita was built without CBC; install coinor-libcbc-dev and build it "
              "again, or use the exact solver");
}

}  // namespace partita::planner
