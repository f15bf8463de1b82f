// SPDX-License-Identifier: Apache-2.0
// partita check: verifies a checkpoint without running it.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "partita/partita.h"
#include "support/json.h"
#include "support/units.h"

namespace partita::cli {
namespace {

struct Options {
  std::string directory;
  bool as_json = false;
};

int run(const Options& options) {
  const CheckReport report = check_checkpoint(options.directory);
  if (options.as_json) {
    const Json json = {{"tensors", report.tensors},
                       {"bytes", report.bytes},
                       {"errors", report.errors},
                       {"notes", report.notes}};
    std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  } else {
    for (const std::string& error : report.errors) std::printf("error: %s\n", error.c_str());
    for (const std::string& note : report.notes) std::printf("note: %s\n", note.c_str());
    std::printf("%ld tensors, %s: %s\n", static_cast<long>(report.tensors),
                format_bytes(report.bytes).c_str(), report.errors.empty() ? "ok" : "broken");
  }
  return report.errors.empty() ? 0 : exit_code(ErrorCode::kInvalidFile);
}

}  // namespace

void add_check_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "check",
      "Verify a checkpoint: headers, names, shapes, NaN.\n\nExample:\n  partita check DIR");
  command->add_option("DIR", options->directory, "Checkpoint directory, GGUF file or partition")
      ->required();
  command->add_flag("--json", options->as_json, "Print one JSON object");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace partita::cli
