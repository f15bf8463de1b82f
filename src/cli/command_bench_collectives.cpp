// SPDX-License-Identifier: Apache-2.0
// partita bench collectives: times of collectives between rank processes of this host.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "partita/collective_bench.h"
#include "support/json.h"
#include "support/units.h"

namespace partita::cli {
namespace {

Json to_json(const CollectiveBenchLine& line, double busy_share) {
  Json json = {{"bench", "collectives"},
               {"transport", "shm"},
               {"ranks", line.ranks},
               {"bytes", line.bytes},
               {"placement", {line.placement_before, line.placement_after}},
               {"round_trip_ns", {line.round_trip_before_ns, line.round_trip_after_ns}},
               {"busy_share", busy_share}};
  for (const CollectiveTime& time : line.times) json[time.name + "_us"] = time.seconds * 1e6;
  return json;
}

void print_for_people(const CollectiveBenchLine& line) {
  std::fprintf(
      stderr, "%d ranks, %s, %s%s\n", line.ranks, format_bytes(line.bytes).c_str(),
      line.placement_before.c_str(),
      line.placement_before == line.placement_after ? "" : (" -> " + line.placement_after).c_str());
  for (const CollectiveTime& time : line.times) {
    std::fprintf(stderr, "  %-24s %10s\n", time.name.c_str(), format_seconds(time.seconds).c_str());
  }
}

int run(const CollectiveBenchOptions& options) {
  const CollectiveBenchResult result = bench_collectives(options);
  for (const CollectiveBenchLine& line : result.lines) {
    print_for_people(line);
    std::printf("%s\n", to_json(line, result.busy_share).dump().c_str());
  }
  return 0;
}

}  // namespace

void add_bench_collectives_command(CLI::App& bench, Action& action) {
  auto options = std::make_shared<CollectiveBenchOptions>();
  CLI::App* command = bench.add_subcommand(
      "collectives",
      "Time every collective between processes of this host over shared memory, in turns, one "
      "JSON\n"
      "line per number of ranks and payload. Compare only lines whose placements agree. Beside\n"
      "MPI_Allreduce: the program bench_collectives, under mpirun.\n\n"
      "Example:\n"
      "  partita bench collectives --ranks 2,4 --bytes 8192,65536");
  command->add_option("--ranks", options->ranks, "Numbers of ranks (default 2)")->delimiter(',');
  command->add_option("--bytes", options->bytes, "Payloads (default 1 KiB .. 4 MiB)")
      ->delimiter(',');
  command->add_option("--rounds", options->rounds)->capture_default_str();
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace partita::cli
