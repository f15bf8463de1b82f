// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/solver.h"

#include <algorithm>
#include <map>

#include "support/error.h"

namespace partita::planner {
namespace {

// The largest cost that is not forbidden, 0 when there is none.
Cost largest_real(const std::vector<Cost>& costs) {
  Cost largest = 0;
  for (const Cost cost : costs) {
    CHECK(cost >= 0 && cost <= kForbidden, "cost ", cost, " is out of range");
    if (cost < kForbidden) largest = std::max(largest, cost);
  }
  return largest;
}

// The most bytes that the timed usages of an assignment occupy together at any time.
int64_t peak_timed_bytes(const Problem& problem, const std::vector<int>& choice) {
  std::map<int64_t, int64_t> change;
  for (size_t i = 0; i < problem.variables.size(); ++i) {
    for (const TimedUsage& usage : problem.variables[i].timed) {
      if (usage.live.empty()) continue;
      const int64_t bytes = usage.bytes[static_cast<size_t>(choice[i])];
      change[usage.live.begin] += bytes;
      change[usage.live.end] -= bytes;
    }
  }
  int64_t bytes = 0;
  int64_t peak = 0;
  for (const auto& [time, difference] : change) peak = std::max(peak, bytes += difference);
  return peak;
}

}  // namespace

Value evaluate(const Problem& problem, const std::vector<int>& choice) {
  Value value;
  const auto add = [&](Cost cost) { value.cost = std::min(kForbidden, value.cost + cost); };
  for (size_t i = 0; i < problem.variables.size(); ++i) {
    const auto option = static_cast<size_t>(choice[i]);
    add(problem.variables[i].cost[option]);
    value.bytes += problem.variables[i].bytes[option];
  }
  for (const Edge& edge : problem.edges) {
    add(problem.tables[static_cast<size_t>(edge.table)].at(
        choice[static_cast<size_t>(edge.first)], choice[static_cast<size_t>(edge.second)]));
  }
  value.bytes += peak_timed_bytes(problem, choice);
  return value;
}

void check_problem(const Problem& problem) {
  Cost total = 0;
  int64_t bytes = 0;
  int64_t timed_bytes = 0;
  for (const Variable& variable : problem.variables) {
    CHECK(!variable.cost.empty() && variable.cost.size() == variable.bytes.size(),
          "a variable has ", variable.cost.size(), " costs and ", variable.bytes.size(), " bytes");
    total += largest_real(variable.cost);
    const auto [least, most] = std::minmax_element(variable.bytes.begin(), variable.bytes.end());
    CHECK(*least >= 0 && *most <= kMaxBytes, "bytes of a variable are out of range");
    bytes += *most;
    for (const TimedUsage& usage : variable.timed) {
      CHECK(usage.bytes.size() == variable.cost.size(), "a timed usage has ", usage.bytes.size(),
            " entries for ", variable.cost.size(), " options");
      for (const int64_t timed : usage.bytes) {
        CHECK(timed >= 0 && timed <= kMaxBytes, "timed bytes ", timed, " are out of range");
      }
      timed_bytes += *std::max_element(usage.bytes.begin(), usage.bytes.end());
      CHECK(timed_bytes <= kMaxTotal, "the problem's timed bytes are too large");
    }
    CHECK(total <= kMaxTotal && bytes <= kMaxBytes, "the problem's numbers are too large");
  }
  std::vector<Cost> table_largest;
  for (const EdgeTable& table : problem.tables) table_largest.push_back(largest_real(table.cost));
  for (const Edge& edge : problem.edges) {
    const EdgeTable& table = problem.tables.at(static_cast<size_t>(edge.table));
    const auto& first = problem.variables.at(static_cast<size_t>(edge.first));
    const auto& second = problem.variables.at(static_cast<size_t>(edge.second));
    CHECK(edge.first != edge.second, "an edge joins variable ", edge.first, " with itself");
    CHECK(static_cast<size_t>(table.rows) == first.cost.size() &&
              static_cast<size_t>(table.columns) == second.cost.size() &&
              table.cost.size() == first.cost.size() * second.cost.size(),
          "an edge table does not fit its variables");
    total += table_largest[static_cast<size_t>(edge.table)];
    CHECK(total <= kMaxTotal, "the problem's costs are too large");
  }
}

}  // namespace partita::planner
