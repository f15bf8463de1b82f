// SPDX-License-Identifier: Apache-2.0
// The seam between the planner and its solvers: choose one option per variable at least cost under
// a memory bound.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "support/range.h"

namespace partita::planner {

// Costs are integers (picoseconds of an average step), so that sums are exact, ties are real ties
// and the result does not depend on the order of additions.
using Cost = int64_t;
// An option or pair that must not be chosen. Sums of real costs stay below kMaxTotal.
inline constexpr Cost kForbidden = int64_t{1} << 60;
inline constexpr Cost kMaxTotal = int64_t{1} << 56;
inline constexpr int64_t kMaxBytes = int64_t{1} << 50;

// Memory that an option occupies only for a while: bytes[i] for option i, at the times [live.begin,
// live.end).
struct TimedUsage {
  Range live;
  std::vector<int64_t> bytes;
};

// One decision: option i costs cost[i], occupies bytes[i] always and what `timed` says for a while.
struct Variable {
  std::vector<Cost> cost;
  std::vector<int64_t> bytes;
  std::vector<TimedUsage> timed = {};
};

// Costs of pairs of options, row major; tables are shared by edges between alike variables.
struct EdgeTable {
  int rows = 0;
  int columns = 0;
  std::vector<Cost> cost;

  [[nodiscard]] Cost at(int row, int column) const {
    return cost[static_cast<size_t>(row) * static_cast<size_t>(columns) +
                static_cast<size_t>(column)];
  }
};

// Rows of the table are the options of `first`, columns those of `second`.
struct Edge {
  int first = 0;
  int second = 0;
  int table = 0;
};

// minimise  sum of variable costs + sum of edge costs
// so that   at every time the bytes of all variables <= memory_bound (when given).
struct Problem {
  std::vector<Variable> variables;
  std::vector<EdgeTable> tables;
  std::vector<Edge> edges;
  std::optional<int64_t> memory_bound;
};

struct Solution {
  bool feasible = false;
  std::vector<int> choice;  // per variable; when infeasible the assignment of least bytes, if any
  Cost cost = 0;
  int64_t bytes = 0;
  Cost lower_bound = 0;  // proven: no feasible assignment costs less
  std::string solver;

  // (cost - lower bound) / cost; 0 = proven optimal.
  [[nodiscard]] double gap() const {
    if (cost <= lower_bound || cost == 0) return 0;
    return static_cast<double>(cost - lower_bound) / static_cast<double>(cost);
  }
};

// Cost and bytes (the most at any time) of an assignment; cost >= kForbidden when it uses a
// forbidden option or pair.
struct Value {
  Cost cost = 0;
  int64_t bytes = 0;
  auto operator<=>(const Value&) const = default;
};
[[nodiscard]] Value evaluate(const Problem& problem, const std::vector<int>& choice);

// The largest numbers of a problem added up: of every variable and edge the dearest real entry and
// the most bytes, whichever options those belong to. What exceeds its bound (kMaxTotal for costs,
// kMaxBytes for bytes, kMaxTotal for timed ones) counts as one more than that.
struct ProblemTotals {
  Cost cost = 0;
  int64_t bytes = 0;
  int64_t timed_bytes = 0;

  // Whether the solvers can add without overflow.
  [[nodiscard]] bool fits() const {
    return cost <= kMaxTotal && bytes <= kMaxBytes && timed_bytes <= kMaxTotal;
  }
};
[[nodiscard]] ProblemTotals totals_of(const Problem& problem);

// CHECKs the sizes of tables, the indices of edges, the signs of numbers and that the totals fit.
void check_problem(const Problem& problem);

// Implementations are deterministic and stateless; equal costs are decided by fewer bytes, unless
// they say otherwise.
class Solver {
 public:
  virtual ~Solver() = default;
  [[nodiscard]] virtual Solution solve(const Problem& problem) const = 0;
};

}  // namespace partita::planner
