// SPDX-License-Identifier: Apache-2.0
#include "cli/interruption.h"

#include <csignal>

#include "partita/error.h"
#include "support/error.h"

namespace partita::cli {
namespace {

volatile std::sig_atomic_t noted_signal = 0;

}  // namespace

void note_signals() {
  struct sigaction action = {};
  action.sa_handler = [](int signal) { noted_signal = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM}) (void)sigaction(signal, &action, nullptr);
}

void throw_if_interrupted(std::string_view command) {
  if (noted_signal == 0) return;
  throw Error(ErrorCode::kCancelled, str("[", command, "] interrupted by signal ",
                                         static_cast<int>(noted_signal), "; nothing was written"));
}

}  // namespace partita::cli
