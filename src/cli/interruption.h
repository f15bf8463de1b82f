// SPDX-License-Identifier: Apache-2.0
// Signals as errors, for commands that write large files: so they remove what is there so far.
#pragma once

#include <string_view>

namespace partita::cli {

// From now on SIGINT and SIGTERM are only noted, the first of each; a second one ends the program
// at once.
void note_signals();

// Throws kCancelled when one was noted. `command` is the one that is interrupted.
void throw_if_interrupted(std::string_view command);

}  // namespace partita::cli
