// SPDX-License-Identifier: Apache-2.0
// Where a pipeline is cut: consecutive stages of about equal time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ir/graph.h"
#include "support/range.h"

namespace partita::planner {

// What a node adds to its stage.
struct NodeLoad {
  double seconds = 0;
  int64_t bytes = 0;  // weights and caches on the fullest rank
};

struct BalanceRequest {
  std::span<const NodeLoad> loads;           // per node
  std::span<const int64_t> positions;        // allowed cuts: before these nodes, ascending
  std::span<const double> crossing_seconds;  // per position: handing the crossing values over
  int stages = 1;
  int64_t stage_bytes = INT64_MAX;         // no stage may hold more
  std::span<const int> pinned_stage = {};  // per node, -1 = any; empty = any for all
};

// The cut that makes the slowest stage (its own nodes and what it hands over) fastest; of equal
// ones the first. Every stage gets at least one node. Nothing when there are too few positions or
// the bytes never fit. Dynamic programming over (position, stage): O(positions^2 * stages).
[[nodiscard]] std::optional<std::vector<Range>> balance_stages(const BalanceRequest& request);

// Positions where the layer of the nodes changes; every position when that gives fewer than
// `stages` stages.
[[nodiscard]] std::vector<int64_t> cut_positions(const ir::Graph& graph, int stages);

}  // namespace partita::planner
