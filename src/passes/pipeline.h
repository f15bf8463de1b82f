// SPDX-License-Identifier: Apache-2.0
// Runs passes by name, in order, each timed and its result verified.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "passes/pass.h"

namespace partita::passes {

// What one pass did.
struct PassReport {
  std::string name;
  double seconds = 0;
  int64_t nodes_before = 0;
  int64_t nodes_after = 0;
};

struct PipelineResult {
  ir::Graph graph;
  std::vector<PassReport> reports;  // of the passes that ran
};

// The passes of the standard pipeline, which run on a model before it is planned, in their order.
[[nodiscard]] std::span<const Pass* const> all_passes();
// Those that run on the program of each rank, after its collectives are in it.
[[nodiscard]] std::span<const Pass* const> rank_passes();
// The pass of that name, of either; throws kInvalidArgument listing the known names.
[[nodiscard]] const Pass& find_pass(std::string_view name);

// Runs the named passes in the given order, except those in `disabled`. After each pass
// ops::verify_types() must accept the graph if it did before, and ir::verify() always. Throws
// kInvalidArgument for an unknown name in either list, kInternal naming the pass when its result is
// not valid. Example: run_pipeline(graph,
// {{"drop_identity_nodes", "remove_unused_nodes"}}).graph
[[nodiscard]] PipelineResult run_pipeline(const ir::Graph& graph,
                                          std::span<const std::string> names,
                                          std::span<const std::string> disabled = {});

// run_pipeline() with rank_passes().
[[nodiscard]] PipelineResult run_rank_pipeline(const ir::Graph& graph,
                                               std::span<const std::string> disabled = {});

// run_pipeline() with all_passes().
[[nodiscard]] PipelineResult run_standard_pipeline(const ir::Graph& graph,
                                                   std::span<const std::string> disabled = {});

}  // namespace partita::passes
