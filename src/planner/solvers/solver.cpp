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
    if (cost < kForbidden) largest = std::max(largest, cost);
  }
  return largest;
}

void check_costs(const std::vector<Cost>& costs) {
  for (const Cost cost : costs) {
    CHECK(cost >= 0 && cost <= kForbidden, "cost ", cost, " is out of range");
  }
}

// Both are at most 2^62.
int64_t limited_sum(int64_t sum, int64_t more, int64_t limit) {
  return std::min(sum + std::min(more, limit + 1), limit + 1);
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

ProblemTotals totals_of(const Problem& problem) {
  ProblemTotals totals;
  const auto add_cost = [&](Cost cost) { totals.cost = limited_sum(totals.cost, cost, kMaxTotal); };
  for (const Variable& variable : problem.variables) {
    add_cost(largest_real(variable.cost));
    const int64_t bytes = *std::max_element(variable.bytes.begin(), variable.bytes.end());
    totals.bytes = limited_sum(totals.bytes, bytes, kMaxBytes);
    for (const TimedUsage& usage : variable.timed) {
      const int64_t timed = *std::max_element(usage.bytes.begin(), usage.bytes.end());
      totals.timed_bytes = limited_sum(totals.timed_bytes, timed, kMaxTotal);
    }
  }
  std::vector<Cost> largest_of_table;
  for (const EdgeTable& table : problem.tables) {
    largest_of_table.push_back(largest_real(table.cost));
  }
  for (const Edge& edge : problem.edges) {
    add_cost(largest_of_table.at(static_cast<size_t>(edge.table)));
  }
  return totals;
}

void check_problem(const Problem& problem) {
  for (const Variable& variable : problem.variables) {
    CHECK(!variable.cost.empty() && variable.cost.size() == variable.bytes.size(),
          "a variable has ", variable.cost.size(), " costs and ", variable.bytes.size(), " bytes");
    check_costs(variable.cost);
    CHECK(*std::min_element(variable.bytes.begin(), variable.bytes.end()) >= 0,
          "bytes of a variable are out of range");
    for (const TimedUsage& usage : variable.timed) {
      CHECK(usage.bytes.size() == variable.cost.size(), "a timed usage has ", usage.bytes.size(),
            " entries for ", variable.cost.size(), " options");
      for (const int64_t timed : usage.bytes) {
        CHECK(timed >= 0 && timed <= kMaxBytes, "timed bytes ", timed, " are out of range");
      }
    }
  }
  for (const EdgeTable& table : problem.tables) check_costs(table.cost);
  for (const Edge& edge : problem.edges) {
    const EdgeTable& table = problem.tables.at(static_cast<size_t>(edge.table));
    const auto& first = problem.variables.at(static_cast<size_t>(edge.first));
    const auto& second = problem.variables.at(static_cast<size_t>(edge.second));
    CHECK(edge.first != edge.second, "an edge joins variable ", edge.first, " with itself");
    CHECK(static_cast<size_t>(table.rows) == first.cost.size() &&
              static_cast<size_t>(table.columns) == second.cost.size() &&
              table.cost.size() == first.cost.size() * second.cost.size(),
          "an edge table does not fit its variables");
  }
  CHECK(totals_of(problem).fits(), "the problem's numbers are too large");
}

}  // namespace partita::planner
