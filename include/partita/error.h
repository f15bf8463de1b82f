// SPDX-License-Identifier: Apache-2.0
// The one error type of partita.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace partita {

// What kind of thing went wrong. Each code maps to one process exit code (see exit_code()).
enum class ErrorCode {
  kInvalidArgument,   // a flag, option or API argument is wrong
  kInvalidFile,       // a file exists but breaks the rules of its format
  kNotFound,          // a file, tensor or name does not exist
  kUnsupported,       // well formed, but partita does not know it (family, dtype, operator)
  kInfeasible,        // no plan fits the given devices
  kOutOfMemory,       // an allocation or a memory bound failed at run time
  kDeadlineExceeded,  // a step, collective or handshake did not finish in time
  kCancelled,         // the caller cancelled the operation
  kRankFailed,        // a rank died or reported a failure
  kSystem,            // a system, MPI, CUDA or library call failed
  kInternal,          // a CHECK failed: a bug in partita
};

// Name of the code as printed in messages and JSON, e.g. "invalid_file". parse_error_code() is the
// inverse and gives kInternal for unknown names.
[[nodiscard]] std::string_view to_string(ErrorCode code);
[[nodiscard]] ErrorCode parse_error_code(std::string_view name);

// Process exit code of the class: 2 .. 12, in the order of ErrorCode. Never 0 or 1.
[[nodiscard]] int exit_code(ErrorCode code);

// The exception thrown for every error that comes from outside (files, flags, requests, peers).
// The message reads "[component] what is wrong: the value; what was expected; what to do".
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace partita
