// SPDX-License-Identifier: Apache-2.0
// partita bench load: how long a model takes from its files to the first token, and where.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/common_options.h"
#include "partita/load_bench.h"
#include "support/json.h"
#include "support/units.h"

namespace partita::cli {
namespace {

struct Options {
  std::string directory;
  LoadBenchOptions bench;
};

Json to_json(const LoadRound& round) {
  return {{"total_s", round.total},
          {"model_s", round.model},
          {"plan_s", round.plan},
          {"start_s", round.start},
          {"program_s", round.load.program},
          {"read_s", round.load.read},
          {"pack_s", round.load.pack},
          {"buffers_s", round.load.buffers},
          {"first_token_s", round.first_token},
          {"read_gb_s", round.read_bytes_per_second / 1e9},
          {"copy_gb_s", round.copy_bytes_per_second / 1e9},
          {"new_memory_gb_s", round.new_memory_bytes_per_second / 1e9}};
}

Json to_json(const Options& options, const LoadBenchResult& result) {
  Json rounds = Json::array();
  for (const LoadRound& round : result.rounds) rounds.push_back(to_json(round));
  Json ranks = Json::array();
  for (const RankCost& rank : result.ranks) {
    ranks.push_back({{"rank", rank.rank},
                     {"weight_bytes", rank.weight_bytes},
                     {"kv_bytes", rank.kv_bytes},
                     {"activation_bytes", rank.activation_bytes},
                     {"bytes_read", rank.bytes_read},
                     {"peak_rss_bytes", rank.peak_rss_bytes}});
  }
  return {{"bench", "load"},
          {"model", options.directory},
          {"mesh", result.mesh},
          {"weights", result.dtype},
          {"kv_cache", result.kv_cache},
          {"file_bytes", result.file_bytes},
          {"memory_as_found", options.bench.uses_memory_as_found},
          {"rounds", rounds},
          {"ranks", ranks},
          {"busy_share", result.busy_share},
          {"round_trip_before_ns", result.round_trip_before_ns},
          {"round_trip_after_ns", result.round_trip_after_ns}};
}

void print_for_people(const LoadBenchResult& result) {
  const LoadRound& round = result.median();
  const std::pair<const char*, double> phases[] = {
      {"model", round.model},          {"plan", round.plan},
      {"start", round.start},          {"program", round.load.program},
      {"read", round.load.read},       {"pack", round.load.pack},
      {"buffers", round.load.buffers}, {"first token", round.first_token}};
  for (const auto& [name, seconds] : phases) {
    std::fprintf(stderr, "  %-12s %10s\n", name, format_seconds(seconds).c_str());
  }
  std::fprintf(stderr, "  %-12s %10s  (best %s, worst %s of %zu)\n", "in all",
               format_seconds(round.total).c_str(),
               format_seconds(result.rounds.front().total).c_str(),
               format_seconds(result.rounds.back().total).c_str(), result.rounds.size());
  std::fprintf(stderr,
               "  read %.2f GB/s; beside it the page cache gives %.2f GB/s, new memory %.2f GB/s\n",
               round.read_bytes_per_second / 1e9, round.copy_bytes_per_second / 1e9,
               round.new_memory_bytes_per_second / 1e9);
  for (const RankCost& rank : result.ranks) {
    std::fprintf(stderr,
                 "  rank %-3d weights %s, caches %s, activations %s, read %s, peak RSS %s\n",
                 rank.rank, format_bytes(rank.weight_bytes).c_str(),
                 format_bytes(rank.kv_bytes).c_str(), format_bytes(rank.activation_bytes).c_str(),
                 format_bytes(rank.bytes_read).c_str(), format_bytes(rank.peak_rss_bytes).c_str());
  }
}

int run(const Options& options) {
  const LoadBenchResult result = bench_load(options.directory, options.bench);
  print_for_people(result);
  const Json json = to_json(options, result);
  std::printf("%s\n", json.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  return 0;
}

}  // namespace

void add_bench_load_command(CLI::App& bench, Action& action) {
  auto options = std::make_shared<Options>();
  LoadBenchOptions& load = options->bench;
  load.engine.launcher = "fork";
  CLI::App* command = bench.add_subcommand(
      "load",
      "Load a model from the page cache and make one token: seconds by phase, and the memory of\n"
      "each rank, beside a plain copy of the files and the first use of new memory. Prints one "
      "JSON\nline.\n\n"
      "Examples:\n"
      "  partita bench load DIR --mesh tp=2\n"
      "  partita bench load DIR --ranks 2 --weights q8 --memory-as-found");
  command->add_option("DIR", options->directory, "Model folder or GGUF file")->required();
  add_weights_option(*command, load.load);
  auto* mesh = command->add_option("--mesh", load.plan.mesh, "Explicit degrees, e.g. tp=2");
  command->add_option("--ranks", load.plan.ranks, "Number of ranks")->excludes(mesh);
  command->add_option("--devices", load.plan.devices, "A profile file");
  command
      ->add_option("--max-context", load.plan.max_context,
                   "Positions per sequence (0 = the model's, at most 4096)")
      ->capture_default_str();
  command->add_option("--rounds", load.rounds)->capture_default_str();
  command->add_option("--prompt-tokens", load.prompt_tokens, "Of the step that ends a round")
      ->capture_default_str();
  command->add_flag("--memory-as-found", load.uses_memory_as_found,
                    "Do not use as much memory before each round; on virtual machines memory that "
                    "rested is slow at first");
  command->add_option("--threads", load.engine.threads_per_rank, "Threads per rank")
      ->capture_default_str();
  command->add_option("--launcher", load.engine.launcher, "fork, threads, mpirun, srun")
      ->capture_default_str();
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace partita::cli
