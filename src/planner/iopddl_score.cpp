// SPDX-License-Identifier: Apache-2.0
#include "planner/iopddl_score.h"

#include <algorithm>
#include <utility>

#include "support/error.h"

namespace partita::planner {
namespace {

void check_choice(const IopddlInstance& instance, const std::vector<int>& choice) {
  if (choice.size() != instance.nodes.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[iopddl] a solution has ", choice.size(), " strategies; the instance has ",
                    instance.nodes.size(), " nodes, each needs one"));
  }
  for (size_t i = 0; i < choice.size(); ++i) {
    const size_t strategies = instance.nodes[i].cost.size();
    if (choice[i] >= 0 && static_cast<size_t>(choice[i]) < strategies) continue;
    throw Error(ErrorCode::kInvalidArgument, str("[iopddl] node ", i, " is given strategy ",
                                                 choice[i], "; expected 0 .. ", strategies - 1));
  }
}

std::optional<int64_t> cost_of(const IopddlInstance& instance, const std::vector<int>& choice) {
  int64_t sum = 0;
  bool is_finite = true;
  const auto add = [&](int64_t cost) {
    if (cost >= kIopddlInfinity) {
      is_finite = false;
    } else {
      sum += cost;
    }
  };
  for (size_t i = 0; i < instance.nodes.size(); ++i)
    add(instance.nodes[i].cost[static_cast<size_t>(choice[i])]);
  for (const IopddlInstance::Edge& edge : instance.edges) {
    const auto second = static_cast<size_t>(edge.second);
    const auto row = static_cast<size_t>(choice[static_cast<size_t>(edge.first)]);
    add(edge.cost[row * instance.nodes[second].cost.size() + static_cast<size_t>(choice[second])]);
  }
  return is_finite ? std::optional(sum) : std::nullopt;
}

int64_t peak_of(const IopddlInstance& instance, const std::vector<int>& choice) {
  // At equal times what is freed sorts before what is taken, because its change is negative.
  std::vector<std::pair<int64_t, int64_t>> changes;
  for (size_t i = 0; i < instance.nodes.size(); ++i) {
    const IopddlInstance::Node& node = instance.nodes[i];
    const int64_t usage = node.usage[static_cast<size_t>(choice[i])];
    if (node.live.empty()) continue;
    changes.emplace_back(node.live.begin, usage);
    changes.emplace_back(node.live.end, -usage);
  }
  std::sort(changes.begin(), changes.end());
  int64_t usage = 0;
  int64_t peak = 0;
  for (const auto& [time, change] : changes) peak = std::max(peak, usage += change);
  return peak;
}

}  // namespace

IopddlScore score(const IopddlInstance& instance, const std::vector<int>& choice) {
  check_choice(instance, choice);
  IopddlScore result;
  result.cost = cost_of(instance, choice);
  result.peak_usage = peak_of(instance, choice);
  result.is_feasible = result.cost.has_value() &&
                       (!instance.usage_limit || result.peak_usage <= *instance.usage_limit);
  return result;
}

}  // namespace partita::planner
