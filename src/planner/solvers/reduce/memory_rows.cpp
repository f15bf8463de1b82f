// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/reduce/memory_rows.h"

#include <algorithm>
#include <map>

namespace partita::planner {
namespace {

int64_t largest(const std::vector<int64_t>& bytes) {
  return *std::max_element(bytes.begin(), bytes.end());
}

// What happens at one time: how much begins and ends, if every variable takes its largest option.
struct Moment {
  bool has_begin = false;
  bool has_end = false;
  int64_t change = 0;
};

std::map<int64_t, Moment> moments_of(const Problem& problem) {
  std::map<int64_t, Moment> moments;
  for (const Variable& variable : problem.variables) {
    for (const TimedUsage& usage : variable.timed) {
      const int64_t bytes = largest(usage.bytes);
      if (usage.live.empty() || bytes == 0) continue;
      Moment& begin = moments[usage.live.begin];
      begin.has_begin = true;
      begin.change += bytes;
      Moment& end = moments[usage.live.end];
      end.has_end = true;
      end.change -= bytes;
    }
  }
  return moments;
}

// Begin times of the spans that become rows.
std::vector<int64_t> row_times(const Problem& problem) {
  int64_t bytes = 0;
  for (const Variable& variable : problem.variables) bytes += largest(variable.bytes);
  const std::map<int64_t, Moment> moments = moments_of(problem);
  std::vector<int64_t> times;
  for (auto at = moments.begin(); at != moments.end(); ++at) {
    bytes += at->second.change;
    const auto next = std::next(at);
    const bool is_peak = at->second.has_begin && next != moments.end() && next->second.has_end;
    if (is_peak && bytes > *problem.memory_bound) times.push_back(at->first);
  }
  // Nothing is timed: one row for the memory that is always occupied.
  if (moments.empty() && bytes > *problem.memory_bound) times.push_back(0);
  return times;
}

}  // namespace

void add_memory_rows(const Problem& problem, Network& network) {
  if (!problem.memory_bound) return;
  const std::vector<int64_t> times = row_times(problem);
  network.limits.assign(times.size(), *problem.memory_bound);
  const auto row_at = [&](int64_t time) {
    return static_cast<int>(std::lower_bound(times.begin(), times.end(), time) - times.begin());
  };
  for (size_t i = 0; i < problem.variables.size(); ++i) {
    const Variable& variable = problem.variables[i];
    Network::Node& node = network.nodes[i];
    const auto add = [&node](int begin, int end, const std::vector<int64_t>& bytes) {
      node.has_raw_usages = node.has_raw_usages || !node.usages.empty();
      if (begin < end) node.usages.push_back({begin, end, bytes});
    };
    add(0, static_cast<int>(times.size()), variable.bytes);
    for (const TimedUsage& usage : variable.timed) {
      if (!usage.live.empty()) add(row_at(usage.live.begin), row_at(usage.live.end), usage.bytes);
    }
  }
  network.is_infeasible =
      std::any_of(network.limits.begin(), network.limits.end(), [](int64_t l) { return l < 0; });
}

void compact_rows(Network& network) {
  const size_t rows = network.limits.size();
  std::vector<int64_t> change(rows + 1, 0);
  std::vector<bool> has_border(rows + 1, false);
  for (const int index : network.living_nodes()) {
    for (const RowUsage& usage : network.node(index).usages) {
      const auto begin = static_cast<size_t>(usage.begin);
      const auto end = static_cast<size_t>(usage.end);
      change[begin] += largest(usage.bytes);
      change[end] -= largest(usage.bytes);
      has_border[begin] = has_border[end] = true;
    }
  }
  std::vector<int> kept_before(rows + 1, 0);  // per row: how many of those before it stay
  std::vector<int64_t> limits;
  int64_t bytes = 0;
  for (size_t begin = 0; begin < rows;) {
    size_t end = begin;
    int64_t least = network.limits[begin];
    bytes += change[begin];
    do {
      kept_before[end] = static_cast<int>(limits.size());
      least = std::min(least, network.limits[end++]);
    } while (end < rows && !has_border[end]);
    if (bytes > least || least < 0) limits.push_back(least);
    begin = end;
  }
  kept_before[rows] = static_cast<int>(limits.size());
  network.limits = std::move(limits);
  for (const int index : network.living_nodes()) {
    std::vector<RowUsage>& usages = network.node(index).usages;
    for (RowUsage& usage : usages) {
      usage.begin = kept_before[static_cast<size_t>(usage.begin)];
      usage.end = kept_before[static_cast<size_t>(usage.end)];
    }
    std::erase_if(usages, [](const RowUsage& usage) { return usage.begin >= usage.end; });
  }
}

}  // namespace partita::planner
