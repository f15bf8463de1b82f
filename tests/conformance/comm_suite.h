// SPDX-License-Identifier: Apache-2.0
// The conformance suite of communicators: written once, run over every transport.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "comm/communicator.h"

namespace partita::comm {

// A case is run by all ranks of a group at once, each with its own communicator. It works in
// threads and in processes, so a rank reports what failed as text instead of using a test
// framework.
struct SuiteCase {
  std::string_view name;
  int least_ranks;
  void (*run)(Communicator& world);  // throws what fails
};

// Cases after which the group still works.
[[nodiscard]] std::span<const SuiteCase> moving_cases();
[[nodiscard]] std::span<const SuiteCase> reducing_cases();
[[nodiscard]] std::span<const SuiteCase> sum_cases();
[[nodiscard]] std::span<const SuiteCase> group_cases();
[[nodiscard]] std::span<const SuiteCase> failing_cases();
// Cases that end the group they run on.
[[nodiscard]] std::span<const SuiteCase> ending_cases();

// Runs this rank's part; returns "" or what failed, with the rank. Skips where there are too few
// ranks.
[[nodiscard]] std::string run_case(const SuiteCase& suite_case, Communicator& world);

}  // namespace partita::comm
