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

struct PlannerOptions {
  InstanceBenchOptions instance;
  bool is_scaling = false;
  ScalingBenchOptions scaling;
};

int run_scaling(const ScalingBenchOptions& options) {
  bench_scaling(options, [](const ScalingPoint& point) {
    std::fprintf(stderr, "%-7s %4ld layers, %4ld devices (%s): %s\n", point.sweep.c_str(),
                 static_cast<long>(point.layers), static_cast<long>(point.devices),
                 point.mesh.c_str(), format_seconds(point.seconds).c_str());
    const Json json = {{"sweep", point.sweep},     {"layers", point.layers},
                       {"devices", point.devices}, {"mesh", point.mesh},
                       {"nodes", point.nodes},     {"gap", point.gap},
                       {"seconds", point.seconds}};
    std::printf("%s\n", json.dump().c_str());
  });
  return 0;
}

int run(PlannerOptions options) {
  if (options.is_scaling == options.scaling.devices.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "[bench] --scaling and --devices belong together; an instance needs neither");
  }
  if (!options.is_scaling) return run(options.instance);
  options.scaling.directory = options.instance.file;
  return run_scaling(options.scaling);
}

}  // namespace

void add_bench_command(CLI::App& app, Action& action) {
  CLI::App* bench = app.add_subcommand("bench", "Measure parts of partita on this machine.");
  bench->require_subcommand(1);
  auto options = std::make_shared<PlannerOptions>();
  InstanceBenchOptions& instance = options->instance;
  CLI::App* planner = bench->add_subcommand(
      "planner",
      "Solve a public instance of the planner's problem (github.com/google/iopddl) and evaluate\n"
      "the solution again, independently. Prints one JSON line.\n\n"
      "With --scaling: plan a model with more and more layers and devices, one line each.\n\n"
      "Examples:\n"
      "  partita bench planner tests/data/iopddl/B.json.gz --limit 60\n"
      "  partita bench planner DIR --scaling --devices h100-8x8.toml");
  planner
      ->add_option("FILE", instance.file,
                   "Instance, .json or .json.gz; with --scaling a folder with config.json")
      ->required();
  planner->add_flag("--scaling", options->is_scaling, "Plan time against layers and devices");
  planner->add_option("--devices", options->scaling.devices, "Described machine for --scaling");
  planner->add_option("--limit", instance.time_limit_seconds, "Seconds for the solver")
      ->capture_default_str();
  planner->add_option("--solver", instance.solver, "exact or ilp")->capture_default_str();
  planner->add_option("--export-ilp", instance.export_ilp,
                      "Also write the integer program here (.lp or .mps)");
  planner->callback([options, &action] { action = [options] { return run(*options); }; });
  add_bench_collectives_command(*bench, action);
  add_bench_kernels_command(*bench, action);
  add_bench_load_command(*bench, action);
  add_bench_scaling_command(*bench, action);
  add_bench_model_command(*bench, action);
  add_bench_batch_command(*bench, action);
}

}  // namespace partita::cli
