// SPDX-License-Identifier: Apache-2.0
// Runs the program partita as a user does.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

namespace partita::tests {

struct ProgramResult {
  int exit_code = -1;  // -1: ended by a signal
  std::string output;  // standard output and error
};

// `arguments` as a shell reads them; `input` without single quotes becomes standard input.
inline ProgramResult run_program(const std::string& arguments,
                                 const std::string& input = "",
                                 const std::string& redirection = " 2>&1") {
  const std::string program = PARTITA_BINARY_DIR "/bin/partita ";
  const std::string feed = input.empty() ? "" : "printf '%s' '" + input + "' | ";
  ProgramResult result;
  FILE* pipe = popen((feed + program + arguments + redirection).c_str(), "r");
  std::array<char, 4096> buffer{};
  size_t bytes = 0;
  while ((bytes = fread(buffer.data(), 1, buffer.size(), pipe)) > 0)
    result.output.append(buffer.data(), bytes);
  const int status = pclose(pipe);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

}  // namespace partita::tests
