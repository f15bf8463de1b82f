// SPDX-License-Identifier: Apache-2.0
// partita partition: writes one checkpoint part per rank.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/common_options.h"
#include "cli/interruption.h"
#include "cli/progress_bar.h"
#include "support/json.h"

namespace partita::cli {
namespace {

struct Options {
  PlanningOptions planning;
  std::string out_dir;
  bool as_json = false;
};

int run(const Options& options) {
  const Model model = load_model(options.planning.directory, options.planning.load);
  const Plan plan = plan_of(model, options.planning);
  ProgressBar bar(!options.as_json, "writing");
  note_signals();
  write_partition(model, plan, options.out_dir, [&bar](int64_t done, int64_t total) {
    throw_if_interrupted("partition");
    bar.update(0, done, total);
  });
  bar.clear();
  if (options.as_json) {
    const Json json = {
        {"out_dir", options.out_dir}, {"ranks", plan.ranks()}, {"plan_hash", plan.hash()}};
    std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  } else {
    std::printf("%sWrote %d parts to %s\n", plan.explain().c_str(), plan.ranks(),
                options.out_dir.c_str());
  }
  return 0;
}

}  // namespace

void add_partition_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "partition",
      "Cut the checkpoint: one safetensors file and one program per rank.\n\nExamples:\n"
      "  partita partition DIR --mesh tp=4 --out-dir parts\n"
      "  partita run parts --prompt \"Once upon a time\"");
  add_planning_options(*command, options->planning);
  command
      ->add_option("--out-dir", options->out_dir, "Folder for the parts; must be empty or absent")
      ->required();
  command->add_flag("--json", options->as_json, "Print one JSON object");
  command->callback([options, command, &action] {
    refuse_planning_beside_plan_file(*command);
    action = [options] { return run(*options); };
  });
}

}  // namespace partita::cli
