// SPDX-License-Identifier: Apache-2.0
// What two plans of one model decide differently, and what that changes.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "plan/plan.h"
#include "support/json.h"

namespace partita::planner {

// One decision that differs, alike in all listed layers.
struct DecisionDiff {
  std::string what;          // "operator", "weight", "state", "result", "reshards"
  std::string name;          // "layers.*.mlp.up"
  std::set<int32_t> layers;  // empty: belongs to no layer
  std::string before;        // "n:tp", "[n:tp, k]", "all_reduce(tp)", "none"
  std::string after;
};

// A number or text of both plans.
struct TotalDiff {
  std::string name;  // "decode step", "weights of the fullest rank", "all_reduce per decode step"
  double before = 0;
  double after = 0;
  enum class Unit : uint8_t { kSeconds, kBytes, kCount } unit = Unit::kSeconds;
};

struct PlanDiff {
  bool is_equal = false;               // byte for byte the same plan
  std::vector<DecisionDiff> settings;  // mesh, stages, workload, profile, ...: name, before, after
  std::vector<DecisionDiff> decisions;
  std::vector<TotalDiff> totals;  // all of them, also where nothing changes
};

// Both plans belong to `graph` (plan::validate). Costs O(nodes + values).
[[nodiscard]] PlanDiff diff_plans(const plan::Plan& before,
                                  const plan::Plan& after,
                                  const ir::Graph& graph);

[[nodiscard]] std::string to_text(const PlanDiff& diff);
[[nodiscard]] Json to_json(const PlanDiff& diff);

}  // namespace partita::planner
