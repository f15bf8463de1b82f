// SPDX-License-Identifier: Apache-2.0
// partita calibrate: measures this machine for the planner.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "partita/calibrate.h"

namespace partita::cli {
namespace {

int run(const CalibrateOptions& options) {
  for (const Calibration& result : calibrate(options)) {
    const std::string place = result.file.empty() ? "nowhere" : result.file.string();
    std::printf("%s  round trip between cores: %.0f ns\n  written to %s\n", result.summary.c_str(),
                result.round_trip_ns, place.c_str());
    if (!result.warning.empty()) {
      std::fprintf(stderr, "partita: warning: %s\n", result.warning.c_str());
    }
  }
  return 0;
}

}  // namespace

void add_calibrate_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<CalibrateOptions>();
  CLI::App* command = app.add_subcommand(
      "calibrate",
      "Measure this machine: kernels, memory, collectives. Later plans for it use the result.\n\n"
      "Examples:\n"
      "  partita calibrate --ranks 1,2\n"
      "  partita calibrate --ranks 2 --output machine.toml");
  command
      ->add_option("--ranks", options->ranks,
                   "Numbers of ranks to measure for, separated by commas (default 1)")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--transport", options->transports,
                   "Transports to measure, separated by commas (default shm)")
      ->delimiter(',');
  command->add_option("-o,--output", options->output,
                      "Write the profile here (default: the cache that plans read)");
  command->add_flag("--quick", options->is_quick,
                    "A second instead of the better part of a minute");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace partita::cli
