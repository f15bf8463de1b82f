// SPDX-License-Identifier: Apache-2.0
// The public format for instances of the planner's problem: one strategy per node, at least cost,
// under a limit on memory at every time (github.com/google/iopddl).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planner/solvers/solver.h"
#include "support/range.h"

namespace partita::planner {

// Costs from here on mean that the strategy or pair must not be chosen.
inline constexpr int64_t kIopddlInfinity = 1'000'000'000'000'000'000;

// What the file says, checked: at least one strategy per node, costs and usages of one node alike
// in number, edges between existing nodes with one cost per pair of strategies (that of the second
// node varies fastest), nothing negative, and sums within kMaxTotal and kMaxBytes.
struct IopddlInstance {
  struct Node {
    Range live;  // times in which the node's strategy occupies `usage`
    std::vector<int64_t> cost;
    std::vector<int64_t> usage;
  };
  struct Edge {
    int first = 0;
    int second = 0;  // may be equal to first, and several edges may join the same nodes
    std::vector<int64_t> cost;
  };
  std::string name;
  std::vector<Node> nodes;
  std::vector<Edge> edges;
  std::optional<int64_t> usage_limit;
};

// Parses JSON. `what` names the source in messages. Throws kInvalidFile naming the key, the index
// and the value; kUnsupported for edges of more or fewer than two nodes and for sums that are too
// large.
[[nodiscard]] IopddlInstance parse_iopddl(std::string_view json, std::string_view what);

// Reads a .json or .json.gz file of at most 256 MiB, 1 GiB when unpacked. Throws kNotFound too.
[[nodiscard]] IopddlInstance read_iopddl(const std::filesystem::path& path);

// The instance for a solver: node i is variable i, its strategies are the options in their order.
// Alike edges share a table.
[[nodiscard]] Problem to_problem(const IopddlInstance& instance);

}  // namespace partita::planner
