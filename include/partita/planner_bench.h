// SPDX-License-Identifier: Apache-2.0
// Measuring the planner: its solvers on public instances of their problem, and how long plans take.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
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

struct ScalingBenchOptions {
  std::filesystem::path directory;  // with the config.json of a model
  // A described machine of alike devices. Its last mesh axis keeps its size, the first grows.
  std::filesystem::path devices;
  int64_t most_layers = 128;
  int64_t most_devices = 512;
};

// One plan of the model with another number of layers or for another number of devices.
struct ScalingPoint {
  std::string sweep;  // what grows: "layers" or "devices"
  int64_t layers = 0;
  int64_t devices = 0;
  std::string mesh;
  int64_t nodes = 0;  // of the graph
  double gap = 0;
  double seconds = 0;  // from config.json to the plan, the best of three
};

// Doubles the layers on the described machine, then the devices for the model as it is, and hands
// over each point as it is measured. Throws kNotFound and kInvalidFile for the files, kUnsupported
// for a config without a number of layers or a machine with unlike devices, kInfeasible when the
// model does not fit somewhere.
void bench_scaling(const ScalingBenchOptions& options,
                   const std::function<void(const ScalingPoint&)>& on_point);

}  // namespace partita
