// SPDX-License-Identifier: Apache-2.0
// partita plan diff: what two plans of one model decide differently.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/common_options.h"
#include "partita/partita.h"

namespace partita::cli {
namespace {

struct Options {
  std::string before;
  std::string after;
  std::string directory;
  LoadOptions load;
  bool as_json = false;
};

int run(const Options& options) {
  const Model model = load_model(options.directory, options.load);
  const Plan before = Plan::read(model, options.before);
  const Plan after = Plan::read(model, options.after);
  std::printf("%s", diff(before, after, options.as_json).c_str());
  return 0;
}

}  // namespace

CLI::App* add_plan_diff_command(CLI::App& plan, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = plan.add_subcommand(
      "diff",
      "Show what two plans of one model decide differently, and what that changes.\n\nExample:\n"
      "  partita plan diff before.json after.json --model DIR");
  command->add_option("BEFORE", options->before, "plan.json")->required();
  command->add_option("AFTER", options->after, "plan.json")->required();
  command->add_option("--model", options->directory, "Checkpoint directory (config.json is enough)")
      ->required();
  add_weights_option(*command, options->load);
  command->add_flag("--json", options->as_json, "Print the difference as JSON");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
  return command;
}

}  // namespace partita::cli
