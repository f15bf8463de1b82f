// SPDX-License-Identifier: Apache-2.0
// Running the program partita as a shell does.
#pragma once

#include <filesystem>
#include <string>

namespace partita::tests {

struct ProgramResult {
  int exit_code = -1;
  std::string output;  // standard output and error, unless redirected otherwise
};

// Runs "partita ARGUMENTS" in a shell, with `input` on standard input when there is any.
ProgramResult run_program(const std::string& arguments,
                          const std::string& input = "",
                          const std::string& redirection = " 2>&1");

// The same with environment variables in front, "NAME=value".
[[nodiscard]] ProgramResult run_program_with(const std::string& variables,
                                             const std::string& arguments);

// A new folder that goes away with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace partita::tests
