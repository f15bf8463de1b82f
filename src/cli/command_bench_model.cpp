// SPDX-License-Identifier: Apache-2.0
// partita bench model: predicted and measured step times of a model on this machine.
#include <cstdio>
#include <map>
#include <memory>

#include "cli/commands.h"
#include "cli/common_options.h"
#include "cli/option_checks.h"
#include "partita/model_bench.h"
#include "support/json.h"
#include "support/units.h"

namespace partita::cli {
namespace {

struct Options {
  std::string directory;
  std::vector<std::string> meshes = {""};
  LoadOptions load;
  ModelBenchOptions bench;
};

Json to_json(const StepTimes& times) {
  return {{"predicted_s", times.predicted},
          {"median_s", times.median()},
          {"best_s", times.best()},
          {"predicted_over_median", times.predicted / times.median()},
          {"predicted_over_best", times.predicted / times.best()}};
}

Json to_json(const std::vector<OpTimes>& times) {
  Json rows = Json::array();
  for (const OpTimes& row : times) {
    rows.push_back({{"rank", row.rank},
                    {"op", row.op},
                    {"calls", row.calls},
                    {"median_s", row.median},
                    {"best_s", row.best}});
  }
  return rows;
}

// One line per rank and operator, for people.
void print_ops(const char* phase, const std::vector<OpTimes>& times) {
  std::map<int, double> sums;
  for (const OpTimes& row : times) sums[row.rank] += row.median;
  for (const OpTimes& row : times) {
    std::fprintf(stderr, "  %-8s rank %-3d %-20s %5ld calls  median %10s  best %10s  %5.1f %%\n",
                 phase, row.rank, row.op.c_str(), static_cast<long>(row.calls),
                 format_seconds(row.median).c_str(), format_seconds(row.best).c_str(),
                 row.median / sums[row.rank] * 100);
  }
}

// Predicted and read seconds as shares of the measured ones, for people.
void print_shares(const ModelBenchResult& result) {
  const auto share = [](double seconds, const StepTimes& times) {
    return seconds / times.median();
  };
  std::fprintf(stderr,
               "%s: prefill %s (predicted %.2f of it), decode %s (predicted %.2f, reading the "
               "weights %.2f of it); cores %.0f ns apart, %.0f ns when measured for the profile\n",
               result.mesh.empty() ? "1 rank" : result.mesh.c_str(),
               format_seconds(result.prefill.median()).c_str(),
               share(result.prefill.predicted, result.prefill),
               format_seconds(result.decode.median()).c_str(),
               share(result.decode.predicted, result.decode),
               share(result.step_read_seconds, result.decode), result.round_trip_after_ns,
               result.profile_round_trip_ns);
}

Json to_json(const Options& options, const Model& model, const ModelBenchResult& result) {
  Json memory = Json::array();
  for (const MemoryBytes& rank : result.memory) {
    Json entry = {{"predicted_bytes", rank.predicted}};
    if (rank.measured > 0) {
      entry["peak_rss_bytes"] = rank.measured;
      entry["predicted_over_peak"] =
          static_cast<double>(rank.predicted) / static_cast<double>(rank.measured);
    }
    memory.push_back(entry);
  }
  return {{"bench", "model"},
          {"model", options.directory},
          {"weights", model.dtype()},
          {"kv_cache", model.kv_cache()},
          {"mesh", result.mesh},
          {"ranks", result.ranks},
          {"profile", result.profile},
          {"prompt_tokens", options.bench.plan.prompt_tokens},
          {"output_tokens", options.bench.plan.output_tokens},
          {"batch", options.bench.plan.concurrency},
          {"repeats", options.bench.repeats},
          {"prefill", to_json(result.prefill)},
          {"decode", to_json(result.decode)},
          {"prefill_ops", to_json(result.prefill_ops)},
          {"decode_ops", to_json(result.decode_ops)},
          {"memory", memory},
          {"step_weight_bytes", result.step_weight_bytes},
          {"step_read_s", result.step_read_seconds},
          {"read_over_decode", result.step_read_seconds / result.decode.median()},
          {"read_over_best_decode", result.step_read_seconds / result.decode.best()},
          {"profile_round_trip_ns", result.profile_round_trip_ns},
          {"busy_share", result.busy_share},
          {"round_trip_before_ns", result.round_trip_before_ns},
          {"round_trip_after_ns", result.round_trip_after_ns}};
}

int run(const Options& options) {
  const Model model = load_model(options.directory, options.load);
  for (const std::string& mesh : options.meshes) {
    ModelBenchOptions bench = options.bench;
    bench.plan.mesh = mesh == "1" ? "" : mesh;
    const ModelBenchResult result = bench_model(model, bench);
    print_ops("prefill", result.prefill_ops);
    print_ops("decode", result.decode_ops);
    print_shares(result);
    const Json json = to_json(options, model, result);
    std::printf("%s\n", json.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

void add_bench_model_command(CLI::App& bench, Action& action) {
  auto options = std::make_shared<Options>();
  options->bench.engine.launcher = "fork";
  options->bench.plan.output_tokens = 32;
  options->bench.plan.on_measure = tell_of_measuring;
  CLI::App* command = bench.add_subcommand(
      "model",
      "Run a prompt and compare step times with the plan's prediction, one JSON line per mesh.\n"
      "Compare only lines whose round trips between cores agree. Calibrate before.\n\nExample:\n"
      "  partita bench model DIR --meshes 1 tp=2 pp=2");
  command->add_option("DIR", options->directory, "Model folder")->required();
  command->add_option("--meshes", options->meshes, "Meshes to run; 1 = one rank (default)")
      ->check(not_empty());
  add_weights_option(*command, options->load);
  command->add_option("--devices", options->bench.plan.devices,
                      "A profile file (default: this machine's, see calibrate)");
  command
      ->add_option("--pin", options->bench.plan.pins,
                   "Decide a tensor or operator, as in plan (repeatable)")
      ->allow_extra_args(false);
  command->add_option("--prompt-tokens", options->bench.plan.prompt_tokens)->capture_default_str();
  command->add_option("--output-tokens", options->bench.plan.output_tokens)->capture_default_str();
  command->add_option("--batch", options->bench.plan.concurrency, "Requests at once")
      ->capture_default_str();
  command->add_option("--repeats", options->bench.repeats)->capture_default_str();
  command->add_flag("--calibrate", options->bench.calibrates,
                    "Measure this machine for every mesh just before it runs");
  command->add_flag("--profile-ops", options->bench.profile_ops,
                    "Also the time of every operator: in the JSON line, and as a table on stderr");
  command->add_option("--threads", options->bench.engine.threads_per_rank,
                      "Threads of each rank (default: the cores divided by the ranks)");
  command
      ->add_option("--step-timeout-ms", options->bench.engine.step_timeout_ms,
                   "Longest step before a rank counts as hung (0 = by the prediction)")
      ->capture_default_str();
  command
      ->add_option("--start-timeout-ms", options->bench.engine.start_timeout_ms,
                   "Longest time until all rank processes have loaded")
      ->capture_default_str();
  command->add_option("--launcher", options->bench.engine.launcher, "fork, threads, mpirun, srun")
      ->capture_default_str();
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace partita::cli
