// SPDX-License-Identifier: Apache-2.0
// The numbers of the page about a plan, for programs.
#pragma once

#include "planner/explain/html/page.h"
#include "planner/explain/html/page_facts.h"

namespace partita::planner {

[[nodiscard]] Json page_data(const PageInput& input, const PageFacts& facts);

}  // namespace partita::planner
