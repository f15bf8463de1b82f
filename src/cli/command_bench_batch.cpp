// SPDX-License-Identifier: Apache-2.0
// partita bench batch: tokens per second of many requests at once on several meshes.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/common_options.h"
#include "cli/option_checks.h"
#include "partita/batch_bench.h"
#include "support/json.h"

namespace partita::cli {
namespace {

struct Options {
  std::string directory;
  LoadOptions load;
  BatchBenchOptions bench;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Json to_json(const BatchBenchResult& result,
             const BatchBenchResult& base,
             BatchRate BatchRound::*kind) {
  std::vector<double> rates;
  std::vector<double> ratios;
  std::vector<std::vector<double>> busy((result.rounds.front().*kind).busy.size());
  for (size_t i = 0; i < result.rounds.size(); ++i) {
    const BatchRate& rate = result.rounds[i].*kind;
    rates.push_back(rate.tokens_per_second);
    ratios.push_back(rate.tokens_per_second / (base.rounds[i].*kind).tokens_per_second);
    for (size_t rank = 0; rank < busy.size(); ++rank) busy[rank].push_back(rate.busy[rank]);
  }
  Json shares = Json::array();
  for (std::vector<double>& of_rank : busy) shares.push_back(median(std::move(of_rank)));
  return {{"tokens_per_s", median(rates)},
          {"rates", rates},
          {"ratio", median(ratios)},
          {"ratios", ratios},
          {"busy", shares}};
}

int run(const Options& options) {
  const Model model = Model::load(options.directory, options.load);
  const std::vector<BatchBenchResult> results = bench_batch(model, options.bench);
  for (const BatchBenchResult& result : results) {
    Json round_trips = Json::array();
    for (const BatchRound& round : result.rounds) round_trips.push_back(round.round_trip_ns);
    const Json json = {{"bench", "batch"},
                       {"model", options.directory},
                       {"weights", model.dtype()},
                       {"kv_cache", model.kv_cache()},
                       {"mesh", result.mesh},
                       {"requests", result.requests},
                       {"prompt_tokens", options.bench.plan.prompt_tokens},
                       {"output_tokens", options.bench.plan.output_tokens},
                       {"prefill", to_json(result, results.front(), &BatchRound::prefill)},
                       {"decode", to_json(result, results.front(), &BatchRound::decode)},
                       {"round_trips_ns", round_trips}};
    std::printf("%s\n", json.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  }
  return 0;
}

}  // namespace

void add_bench_batch_command(CLI::App& bench, Action& action) {
  auto options = std::make_shared<Options>();
  options->bench.meshes = {"1", "pp=2"};
  options->bench.engine.launcher = "fork";
  options->bench.engine.threads_per_rank = 1;
  options->bench.plan.output_tokens = 32;
  options->bench.plan.on_measure = tell_of_measuring;
  CLI::App* command = bench.add_subcommand(
      "batch",
      "Many requests at once, prompts and decoding apart, on several meshes by turns: tokens per\n"
      "second, the ratio to the first mesh of the same round, and the share of time that each "
      "rank\n"
      "worked. One JSON line per mesh. Compare only rounds whose round trips agree.\n\n"
      "Example:\n  partita bench batch DIR --meshes 1 pp=2");
  command->add_option("DIR", options->directory, "Model folder")->required();
  command->add_option("--meshes", options->bench.meshes, "Meshes; 1 = one rank (default: 1 pp=2)")
      ->check(not_empty());
  add_weights_option(*command, options->load);
  command->add_option("--devices", options->bench.plan.devices, "A profile file");
  command
      ->add_option("--requests", options->bench.requests_per_stage,
                   "Requests at once for every stage and replica")
      ->capture_default_str();
  command->add_option("--prompt-tokens", options->bench.plan.prompt_tokens)->capture_default_str();
  command->add_option("--output-tokens", options->bench.plan.output_tokens)->capture_default_str();
  command->add_option("--max-step-tokens", options->bench.plan.max_step_tokens)
      ->capture_default_str();
  command->add_option("--rounds", options->bench.rounds)->capture_default_str();
  command->add_option("--threads", options->bench.engine.threads_per_rank, "Threads per rank")
      ->capture_default_str();
  command->add_option("--trace", options->bench.trace_file,
                      "Write here what the ranks of the last mesh did (chrome://tracing)");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace partita::cli
