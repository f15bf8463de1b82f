// SPDX-License-Identifier: Apache-2.0
// Checks of single option values, and the names of options in messages.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace partita::cli {

// Refuses the empty text, which a shell makes of a variable that is not set.
[[nodiscard]] CLI::Validator not_empty();

// Refuses numbers below `least`; what is no number is left to the conversion.
[[nodiscard]] CLI::Validator at_least(int64_t least);

// No two of the options may be given together.
void exclude_each_other(const std::vector<CLI::Option*>& options);

// Throws kInvalidArgument naming those of `names` that are given beside --plan: a plan file has
// decided them.
void refuse_beside_plan_file(const CLI::App& command, const std::vector<std::string>& names);

// `message` of the library with fields that `command` sets under the names of their options:
// "[plan] max_context is -5" becomes "[plan] --max-context is -5".
[[nodiscard]] std::string with_option_names(const std::string& message, const CLI::App& command);

// The sub-command that the command line has named, down to the last.
[[nodiscard]] const CLI::App& parsed_command(const CLI::App& app);

}  // namespace partita::cli
