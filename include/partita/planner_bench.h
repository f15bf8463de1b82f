// SPDX-License-Identifier: Apache-2.0
// Measuring the planner's solvers on public instances of their problem.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace partita {

struct InstanceBenchOptions {
  // An instance of the IOPDDL format (github.com/google/iopddl), .json or .json.gz.
  std::filesystem::path file;
  double time_limit_seconds = 60;  // of the solver, not of reading
  std::string solver = "exact";    // or "ilp"
  // When not empty: the problem is also written here as an integer program (.lp or .mps).
  std::filesystem::path export_ilp;
};

struct InstanceBenchResult {
  std::string name;  // as the file says; may be empty
  int64_t nodes = 0;
  int64_t edges = 0;
  std::optional<int64_t> usage_limit;
  std::string solver;  // what has decided
  // What the solver claims.
  bool feasible = false;  // one strategy per node was found that holds the limit
  int64_t cost = 0;       // meaningful when feasible
  int64_t peak_usage = 0;
  int64_t lower_bound = 0;  // proven: nothing feasible costs less
  double gap = 0;           // (cost - lower_bound) / cost; 0 = proven optimal
  // Whether code that shares nothing with the solver finds the same cost and peak in the file, and
  // the peak within the limit. True when nothing was found.
  bool verified = false;
  double read_seconds = 0;
  double solve_seconds = 0;
};

// Reads, solves on one thread, and evaluates the solution again, independently. Throws kNotFound,
// kInvalidFile, kUnsupported; kInvalidArgument for a limit that is not positive or an unknown
// solver.
[[nodiscard]] InstanceBenchResult bench_instance(const InstanceBenchOptions& options);

}  // namespace partita
