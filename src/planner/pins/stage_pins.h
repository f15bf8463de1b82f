// SPDX-License-Identifier: Apache-2.0
// Pins on stages, in the terms of the pipeline's cut.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/pins/pinned_graph.h"

namespace partita::planner {

// Per node the stage it must be in, -1 = any; empty when no pin names a stage.
[[nodiscard]] std::vector<int> pinned_stages(const PinnedGraph& pins, int nodes, int stages);

// `positions` (ascending) and the places between neighbouring pins of different stages, which may
// be cut although they lie within a layer: before the later pinned node, when no position is
// between.
[[nodiscard]] std::vector<int64_t> with_pinned_cuts(const PinnedGraph& pins,
                                                    std::vector<int64_t> positions);

// Throws kInvalidArgument naming the two pins that go backwards, or the stages that no cut gives.
[[noreturn]] void throw_stage_conflict(const ir::Graph& graph, const PinnedGraph& pins, int stages);

}  // namespace partita::planner
