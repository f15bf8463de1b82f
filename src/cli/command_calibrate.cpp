// SPDX-License-Identifier: Apache-2.0
// partita calibrate: measures this machine for the planner.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/option_checks.h"
#include "partita/calibrate.h"
#include "support/json.h"

namespace partita::cli {
namespace {

struct Options {
  CalibrateOptions calibrate;
  bool as_json = false;
};

Json to_json(const Calibration& result) {
  Json json = {{"ranks", result.ranks},
               {"file", result.file.string()},
               {"profile", result.profile_id},
               {"round_trip_ns", result.round_trip_ns},
               {"warning", nullptr}};
  if (!result.warning.empty()) json["warning"] = result.warning;
  return json;
}

int run(const Options& options) {
  const std::vector<Calibration> results = calibrate(options.calibrate);
  if (options.as_json) {
    Json json = Json::array();
    for (const Calibration& result : results) json.push_back(to_json(result));
    std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    return 0;
  }
  for (const Calibration& result : results) {
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
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "calibrate",
      "Measure this machine: kernels, memory, collectives. Later plans for it use the result.\n\n"
      "Examples:\n"
      "  partita calibrate --ranks 1,2\n"
      "  partita calibrate --ranks 2 --output machine.toml");
  command
      ->add_option("--ranks", options->calibrate.ranks,
                   "Numbers of ranks to measure for, separated by commas (default 1)")
      ->delimiter(',')
      ->check(at_least(1));
  command
      ->add_option("--transport", options->calibrate.transports,
                   "Transports to measure, separated by commas (default shm)")
      ->delimiter(',');
  command->add_option("-o,--output", options->calibrate.output,
                      "Write the profile here (default: the cache that plans read)");
  command->add_flag("--quick", options->calibrate.is_quick,
                    "A second instead of the better part of a minute");
  command->add_flag("--json", options->as_json, "Print one JSON array, without the tables");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace partita::cli
