// SPDX-License-Identifier: Apache-2.0
#include "support/error.h"

#include <array>

namespace partita {
namespace {

// In the order of ErrorCode; the index gives the exit code.
constexpr std::array<std::string_view, 11> kNames = {
    "invalid_argument", "invalid_file",  "not_found",         "unsupported",
    "infeasible",       "out_of_memory", "deadline_exceeded", "cancelled",
    "rank_failed",      "system",        "internal"};
constexpr int kFirstExitCode = 2;  // 0 is success, 1 is what shells and runtimes use for anything

}  // namespace

std::string_view to_string(ErrorCode code) { return kNames.at(static_cast<size_t>(code)); }

ErrorCode parse_error_code(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<ErrorCode>(i);
  }
  return ErrorCode::kInternal;
}

int exit_code(ErrorCode code) { return kFirstExitCode + static_cast<int>(code); }

void check_failed(const char* file, int line, const char* expression, const std::string& message) {
  throw Error(ErrorCode::kInternal, str("[internal] check failed: ", expression, " at ", file, ":",
                                        line, message.empty() ? "" : ": ", message,
                                        "; this is a bug in partita, please report it"));
}

}  // namespace partita
