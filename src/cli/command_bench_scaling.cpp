// SPDX-License-Identifier: Apache-2.0
// partita bench scaling: tokens per second against ranks, threads and batch.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/common_options.h"
#include "cli/scaling_plot.h"
#include "partita/model_bench.h"
#include "support/json.h"
#include "support/text_file.h"

namespace partita::cli {
namespace {

struct Options {
  std::string directory;
  std::vector<int> ranks = {1, 2};
  std::vector<int> threads = {1, 2};
  std::vector<int64_t> batches = {1, 8};
  std::string axis = "tp";
  int most_threads = 0;  // of all ranks together; 0 = no bound
  std::string svg;
  LoadOptions load;
  ModelBenchOptions bench;
};

ScalingBar measure(const Model& model, const Options& options, ScalingBar bar) {
  ModelBenchOptions bench = options.bench;
  bench.plan.mesh = bar.ranks == 1 ? "" : options.axis + "=" + std::to_string(bar.ranks);
  bench.plan.concurrency = bar.batch;
  bench.engine.threads_per_rank = bar.threads;
  const ModelBenchResult result = bench_model(model, bench);
  const auto requests = static_cast<double>(bar.batch);
  const auto prompt = static_cast<double>(bench.plan.prompt_tokens);
  bar.prefill_tokens_per_second = requests * prompt / result.prefill.median();
  // Of several requests it is a difference of two times, which a disturbance can turn around.
  bar.decode_tokens_per_second = std::max(0.0, requests / result.decode.median());
  const Json json = {{"bench", "scaling"},
                     {"model", options.directory},
                     {"weights", model.dtype()},
                     {"kv_cache", model.kv_cache()},
                     {"mesh", result.mesh},
                     {"ranks", bar.ranks},
                     {"threads", bar.threads},
                     {"batch", bar.batch},
                     {"prompt_tokens", bench.plan.prompt_tokens},
                     {"output_tokens", bench.plan.output_tokens},
                     {"prefill_tokens_per_s", bar.prefill_tokens_per_second},
                     {"decode_tokens_per_s", bar.decode_tokens_per_second},
                     {"busy_share", result.busy_share},
                     {"round_trip_before_ns", result.round_trip_before_ns},
                     {"round_trip_after_ns", result.round_trip_after_ns}};
  std::printf("%s\n", json.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  std::fflush(stdout);
  return bar;
}

void write_plot(const Options& options, const Model& model, const std::vector<ScalingBar>& bars) {
  std::string name = options.directory;
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  name = name.substr(name.find_last_of('/') + 1);
  const std::string title = name + " as " + model.dtype() + ", prompt of " +
                            std::to_string(options.bench.plan.prompt_tokens) +
                            " tokens, ranks along " + options.axis;
  write_text(options.svg, scaling_plot(title, bars));
}

int run(const Options& options) {
  if (!options.svg.empty()) check_writable(options.svg);
  const Model model = load_model(options.directory, options.load);
  std::vector<ScalingBar> bars;
  for (const int64_t batch : options.batches) {
    for (const int ranks : options.ranks) {
      for (const int threads : options.threads) {
        if (options.most_threads > 0 && ranks * threads > options.most_threads) continue;
        bars.push_back(
            measure(model, options, {.ranks = ranks, .threads = threads, .batch = batch}));
      }
    }
  }
  if (!options.svg.empty()) write_plot(options, model, bars);
  return 0;
}

}  // namespace

void add_bench_scaling_command(CLI::App& bench, Action& action) {
  auto options = std::make_shared<Options>();
  options->bench.engine.launcher = "fork";
  options->bench.plan.prompt_tokens = 128;
  options->bench.plan.output_tokens = 16;
  options->bench.repeats = 2;
  CLI::App* command = bench.add_subcommand(
      "scaling",
      "Tokens per second of prefill and decode for every number of ranks, threads of a rank and\n"
      "requests at once: one JSON line each, and a plot. Compare only lines whose round trips "
      "between\ncores agree.\n\n"
      "Example:\n"
      "  partita bench scaling DIR --ranks 1,2 --threads 1,2 --most-threads 2 --svg plot.svg");
  command->add_option("DIR", options->directory, "Model folder or GGUF file")->required();
  add_weights_option(*command, options->load);
  command->add_option("--ranks", options->ranks, "Numbers of ranks (default 1,2)")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  command->add_option("--threads", options->threads, "Of each rank (default 1,2)")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  command->add_option("--batch", options->batches, "Requests at once (default 1,8)")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  command->add_option("--axis", options->axis, "tp or pp")->capture_default_str();
  command
      ->add_option("--most-threads", options->most_threads,
                   "Leave out what has more threads in all (0 = nothing)")
      ->capture_default_str();
  command->add_option("--svg", options->svg, "Draw bars into this file");
  command->add_option("--prompt-tokens", options->bench.plan.prompt_tokens)->capture_default_str();
  command->add_option("--output-tokens", options->bench.plan.output_tokens)->capture_default_str();
  command->add_option("--repeats", options->bench.repeats)->capture_default_str();
  command->add_option("--devices", options->bench.plan.devices, "A profile file");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace partita::cli
