// SPDX-License-Identifier: Apache-2.0
// The arrangements that a search looked at, as a table for people.
#pragma once

#include <string>

#include "partita/partita.h"

namespace partita::cli {

// One line per arrangement: mesh, latency, throughput, memory; ">" marks the chosen one, "*" those
// that no other one beats in all three.
[[nodiscard]] std::string candidate_table(const Plan& plan);

}  // namespace partita::cli
