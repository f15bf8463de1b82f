// SPDX-License-Identifier: Apache-2.0
// The drawings of the page about a plan: devices and stages, time, memory.
#pragma once

#include <string>

#include "planner/explain/html/page_facts.h"

namespace partita::planner {

// One block per stage with a square per device, rows and columns as the axes of its mesh; at most
// 512 squares.
[[nodiscard]] std::string mesh_drawing(const plan::Plan& plan, const ir::Graph& graph);

// Two lanes per stage, computing above communicating, from left to right.
[[nodiscard]] std::string timeline_drawing(const Timeline& timeline, size_t stages);

// A bar per group of ranks, stacked by kind, with the limit as a line.
[[nodiscard]] std::string memory_drawing(const std::vector<RankGroup>& ranks, size_t stages);

}  // namespace partita::planner
