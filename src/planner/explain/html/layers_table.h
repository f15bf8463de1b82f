// SPDX-License-Identifier: Apache-2.0
// The part of the page about a plan that lists operators and collectives, alike layers once.
#pragma once

#include <string>

#include "planner/explain/html/page_facts.h"

namespace partita::planner {

// A block to fold per group of layers; the first is open.
[[nodiscard]] std::string layers_table(const PageFacts& facts);

}  // namespace partita::planner
