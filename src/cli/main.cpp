// SPDX-License-Identifier: Apache-2.0
// The program partita: parses the command line, runs one sub-command, turns errors into one line
// and an exit code.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/option_checks.h"
#include "partita/error.h"
#include "support/allocation_failed.h"

namespace {

constexpr int kInternalExitCode = 12;  // exit_code(ErrorCode::kInternal)

int report(std::string_view kind, const char* message, int code) {
  std::fflush(stdout);
  std::fprintf(stderr, "partita: error (%.*s): %s\n", static_cast<int>(kind.size()), kind.data(),
               message);
  return code;
}

// Closed standard streams would give their numbers to our sockets and shared memory, and what we
// print would land there. What takes their place reads as empty and cannot be written to.
void keep_standard_streams_taken() {
  int fd = open("/dev/null", O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = open("/dev/null", O_RDONLY);
  if (fd >= 0) close(fd);
}

// A full disk or a closed output must not look like success.
int checked_output(int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  const std::string message = std::string("[output] cannot write to standard output: ") +
                              std::strerror(errno) + "; is the disk full or the output closed?";
  return report("system", message.c_str(), exit_code(partita::ErrorCode::kSystem));
}

// CLI11 would only say that a sub-command is missing.
void refuse_unknown_command(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  std::string path = "partita";
  for (const std::string& word : words) {
    if (command->get_require_subcommand_min() == 0 || word.empty() || word[0] == '-') return;
    const auto found = command->get_subcommands(
        [&](const CLI::App* candidate) { return candidate->check_name(word); });
    if (found.empty()) {
      throw partita::Error(partita::ErrorCode::kInvalidArgument,
                           "there is no command \"" + word + "\"; see " + path + " --help");
    }
    command = found.front();
    path += " " + word;
  }
}

}  // namespace

int main(int argc, char** argv) {
  keep_standard_streams_taken();
  CLI::App app(
      "partita: cuts a model over the machines you have, runs it and shows what it costs.\n\n"
      "Examples:\n"
      "  partita run models/tiny-tales --ranks 2 --prompt \"Once upon a time\"\n"
      "  partita plan DIR --devices machine.toml --json > plan.json\n"
      "  partita partition DIR --mesh tp=4 --out-dir parts\n"
      "  partita check DIR\n"
      "  partita ops matmul --mesh tp=4 --shape 32x64,64x32");
  app.require_subcommand(1);
  app.set_version_flag("--version", PARTITA_VERSION);
  partita::cli::Action action;
  partita::cli::add_run_command(app, action);
  partita::cli::add_plan_command(app, action);
  partita::cli::add_partition_command(app, action);
  partita::cli::add_check_command(app, action);
  partita::cli::add_calibrate_command(app, action);
  partita::cli::add_bench_command(app, action);
  partita::cli::add_ops_command(app, action);
  partita::cli::add_make_model_command(app, action);
  partita::cli::add_worker_command(app, action);
  try {
    refuse_unknown_command(app, {argv + 1, argv + argc});
    app.parse(argc, argv);
    return checked_output(action());
  } catch (const CLI::ParseError& e) {
    const bool is_help = e.get_exit_code() == 0;
    if (is_help) return app.exit(e);
    return report("invalid_argument", (std::string(e.what()) + "; see partita --help").c_str(),
                  exit_code(partita::ErrorCode::kInvalidArgument));
  } catch (const partita::Error& e) {
    const std::string message =
        partita::cli::with_option_names(e.what(), partita::cli::parsed_command(app));
    return report(to_string(e.code()), message.c_str(), exit_code(e.code()));
  } catch (const std::bad_alloc&) {
    return report("out_of_memory", partita::kAllocationFailed,
                  exit_code(partita::ErrorCode::kOutOfMemory));
  } catch (const std::exception& e) {
    return report("internal", e.what(), kInternalExitCode);
  }
}
