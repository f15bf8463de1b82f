// SPDX-License-Identifier: Apache-2.0
// Building error messages, and CHECK for programmer errors. The error type itself is public:
// partita/error.h.
#pragma once

#include <sstream>
#include <string>

#include "partita/error.h"

namespace partita {

// Concatenates all arguments through operator<<; the usual way to build a message.
template <typename... Args>
[[nodiscard]] std::string str(const Args&... args) {
  std::ostringstream out;
  static_cast<void>((out << ... << args));
  return out.str();
}

// Throws Error(kInternal) with file and line. Reached only through CHECK.
[[noreturn]] void check_failed(const char* file,
                               int line,
                               const char* expression,
                               const std::string& message);

}  // namespace partita

// Always-on assertion for programmer errors. Must not be reachable from a file, a request or a
// flag.
#define CHECK(condition, ...)                                                               \
  do {                                                                                      \
    if (!(condition)) [[unlikely]]                                                          \
      ::partita::check_failed(__FILE__, __LINE__, #condition, ::partita::str(__VA_ARGS__)); \
  } while (false)
