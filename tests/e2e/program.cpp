// SPDX-License-Identifier: Apache-2.0
#include "e2e/program.h"

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace partita::tests {
namespace {

namespace fs = std::filesystem;

ProgramResult run_command(const std::string& command) {
  ProgramResult result;
  FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> buffer{};
  size_t bytes = 0;
  while ((bytes = fread(buffer.data(), 1, buffer.size(), pipe)) > 0)
    result.output.append(buffer.data(), bytes);
  const int status = pclose(pipe);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

const std::string kProgram = PARTITA_BINARY_DIR "/bin/partita ";

}  // namespace

ProgramResult run_program(const std::string& arguments,
                          const std::string& input,
                          const std::string& redirection) {
  const std::string feed = input.empty() ? "" : "printf '%s' '" + input + "' | ";
  return run_command(feed + kProgram + arguments + redirection);
}

ProgramResult run_program_with(const std::string& variables, const std::string& arguments) {
  return run_command(variables + " " + kProgram + arguments + " 2>&1");
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "partita-test-XXXXXX").string();
  path_ = mkdtemp(name.data());
}

TemporaryFolder::~TemporaryFolder() { fs::remove_all(path_); }

}  // namespace partita::tests
