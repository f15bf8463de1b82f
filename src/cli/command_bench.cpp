// SPDX-License-Identifier: Apache-2.0
// partita bench: measures parts of partita on this machine; one JSON line per measurement.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "partita/error.h"
#include "partita/planner_bench.h"
#include "support/json.h"
#include "support/units.h"

namespace partita::cli {
namespace {

Json to_json(const InstanceBenchOptions& options, const InstanceBenchResult& result) {
  Json json = {{"file", options.file.string()},
               {"name", result.name},
               {"nodes", result.nodes},
               {"edges", result.edges},
               {"usage_limit", nullptr},
               {"solver", result.solver},
               {"time_limit", options.time_limit_seconds},
               {"feasible", result.feasible},
               {"cost", nullptr},
               {"peak_usage", nullptr},
               {"lower_bound", result.lower_bound},
               {"gap", nullptr},
               {"verified", result.verified},
               {"read_seconds", result.read_seconds},
               {"seconds", result.solve_seconds}};
  if (result.usage_limit) json["usage_limit"] = *result.usage_limit;
  if (result.feasible) {
    json["cost"] = result.cost;
    json["peak_usage"] = result.peak_usage;
    json["gap"] = result.gap;
  }
  return json;
}

void print_for_people(const InstanceBenchOptions& options, const InstanceBenchResult& result) {
  const std::string time = format_seconds(result.solve_seconds);
  const std::string file = options.file.filename().string();
  if (!result.feasible) {
    std::fprintf(stderr, "%s: nothing feasible in %s, lower bound %ld (%s)\n", file.c_str(),
                 time.c_str(), static_cast<long>(result.lower_bound), result.solver.c_str());
    return;
  }
  std::fprintf(stderr, "%s: cost %ld, lower bound %ld, gap %.4f %%, %s, %s (%s)\n", file.c_str(),
               static_cast<long>(result.cost), static_cast<long>(result.lower_bound),
               result.gap * 100, time.c_str(),
               result.verified ? "verified" : "WRONG: the file gives another value",
               result.solver.c_str());
}

int run(const InstanceBenchOptions& options) {
  const InstanceBenchResult result = bench_instance(options);
  print_for_people(options, result);
  const Json json = to_json(options, result);
  std::printf("%s\n", json.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  return result.verified ? 0 : exit_code(ErrorCode::kInternal);
}

}  // namespace

void add_bench_command(CLI::App& app, Action& action) {
  CLI::App* bench = app.add_subcommand("bench", "Measure parts of partita on this machine.");
  bench->require_subcommand(1);
  auto options = std::make_shared<InstanceBenchOptions>();
  CLI::App* planner = bench->add_subcommand(
      "planner",
      "Solve a public instance of the planner's problem (github.com/google/iopddl) and evaluate\n"
      "the solution again, independently. Prints one JSON line.\n\nExample:\n"
      "  partita bench planner tests/data/iopddl/B.json.gz --limit 60");
  planner->add_option("FILE", options->file, "Instance, .json or .json.gz")->required();
  planner->add_option("--limit", options->time_limit_seconds, "Seconds for the solver")
      ->capture_default_str();
  planner->add_option("--solver", options->solver, "exact or ilp")->capture_default_str();
  planner->add_option("--export-ilp", options->export_ilp,
                      "Also write the integer program here (.lp or .mps)");
  planner->callback([options, &action] { action = [options] { return run(*options); }; });
  add_bench_model_command(*bench, action);
}

}  // namespace partita::cli
