// SPDX-License-Identifier: Apache-2.0
#include "planner/iopddl.h"

#include <algorithm>
#include <map>
#include <utility>

#include "planner/iopddl_form.h"
#include "support/checked_math.h"
#include "support/error.h"
#include "support/gzip.h"
#include "support/json.h"

namespace partita::planner {
namespace {

constexpr int64_t kMaxUnpackedBytes = int64_t{1} << 30;
constexpr size_t kMaxNodes = size_t{1} << 24;
constexpr size_t kMaxStrategies = size_t{1} << 15;  // the solvers number options in 16 bits
constexpr int64_t kMaxTime = int64_t{1} << 40;

// Checks what the numbers mean.
class InstanceBuilder {
 public:
  InstanceBuilder(IopddlForm form, std::string_view what) : form_(std::move(form)), what_(what) {}

  IopddlInstance build() {
    instance_.name = form_.name;
    instance_.usage_limit = form_.usage_limit;
    add_nodes();
    add_edges();
    return std::move(instance_);
  }

 private:
  void add_nodes() {
    IopddlRows& intervals = rows("problem.nodes.intervals");
    IopddlRows& costs = rows("problem.nodes.costs");
    IopddlRows& usages = rows("problem.nodes.usages");
    check(costs.size() <= kMaxNodes, "problem.nodes.costs", costs.size(),
          str("at most ", kMaxNodes, " nodes"));
    expect_count("problem.nodes.intervals", intervals.size(), costs.size(), "nodes in costs");
    expect_count("problem.nodes.usages", usages.size(), costs.size(), "nodes in costs");
    for (size_t i = 0; i < costs.size(); ++i) {
      const std::string at = str("[", i, "]");
      expect_count("problem.nodes.intervals" + at, intervals[i].size(), 2, "times");
      const Range live = {intervals[i][0], intervals[i][1]};
      check(live.begin <= live.end && live.end <= kMaxTime, "problem.nodes.intervals" + at,
            str(live.begin, ", ", live.end), str("two times, ascending, up to ", kMaxTime));
      const size_t strategies = costs[i].size();
      check(strategies >= 1 && strategies <= kMaxStrategies, "problem.nodes.costs" + at,
            str(strategies, " numbers"), str("1 .. ", kMaxStrategies));
      expect_count("problem.nodes.usages" + at, usages[i].size(), strategies, "strategies");
      add_cost(costs[i], "problem.nodes.costs" + at);
      add_usage(usages[i], "problem.nodes.usages" + at);
      instance_.nodes.push_back({live, std::move(costs[i]), std::move(usages[i])});
    }
  }

  void add_edges() {
    IopddlRows& ends = rows("problem.edges.nodes");
    IopddlRows& costs = rows("problem.edges.costs");
    expect_count("problem.edges.costs", costs.size(), ends.size(), "edges in nodes");
    for (size_t i = 0; i < ends.size(); ++i) {
      const std::string at = str("[", i, "]");
      if (ends[i].size() != 2) {
        throw Error(ErrorCode::kUnsupported,
                    str("[iopddl] ", what_, ": problem.edges.nodes", at, " joins ", ends[i].size(),
                        " nodes; partita knows edges of two nodes only"));
      }
      for (size_t j = 0; j < 2; ++j) {
        check(ends[i][j] < static_cast<int64_t>(instance_.nodes.size()),
              str("problem.edges.nodes", at, "[", j, "]"), ends[i][j],
              str("a node below ", instance_.nodes.size()));
      }
      const size_t pairs = strategies_of(ends[i][0]) * strategies_of(ends[i][1]);
      expect_count("problem.edges.costs" + at, costs[i].size(), pairs, "pairs of strategies");
      add_cost(costs[i], "problem.edges.costs" + at);
      instance_.edges.push_back(
          {static_cast<int>(ends[i][0]), static_cast<int>(ends[i][1]), std::move(costs[i])});
    }
  }

  // Sums stay exact in 64 bits, in the solvers too.
  void add_cost(const std::vector<int64_t>& costs, const std::string& where) {
    int64_t largest = 0;
    for (const int64_t cost : costs) {
      if (cost < kIopddlInfinity) largest = std::max(largest, cost);
    }
    total_cost_ = sum_within(total_cost_, largest, kMaxTotal, where);
  }
  void add_usage(const std::vector<int64_t>& usages, const std::string& where) {
    const int64_t largest = *std::max_element(usages.begin(), usages.end());
    total_usage_ = sum_within(total_usage_, largest, kMaxBytes, where);
  }
  int64_t sum_within(int64_t sum, int64_t more, int64_t limit, const std::string& where) const {
    const auto result = checked_add(sum, more);
    if (result && *result <= limit) return *result;
    throw Error(ErrorCode::kUnsupported, str("[iopddl] ", what_, ": ", where, " holds ", more,
                                             ", with which the largest numbers sum to more than ",
                                             limit, "; divide all of them by a common scale"));
  }

  IopddlRows& rows(std::string_view path) { return form_.rows.find(path)->second; }
  [[nodiscard]] size_t strategies_of(int64_t node) const {
    return instance_.nodes[static_cast<size_t>(node)].cost.size();
  }

  void expect_count(const std::string& where,
                    size_t found,
                    size_t expected,
                    std::string_view of) const {
    check(found == expected, where, str(found, " entries long"), str(expected, ", the ", of));
  }

  template <typename Found>
  void check(bool holds,
             const std::string& where,
             const Found& found,
             const std::string& expected) const {
    if (holds) return;
    throw Error(ErrorCode::kInvalidFile, str("[iopddl] ", what_, ": ", where, " is ", found,
                                             "; expected ", expected, "; correct the file"));
  }

  IopddlForm form_;
  std::string_view what_;
  IopddlInstance instance_;
  int64_t total_cost_ = 0;
  int64_t total_usage_ = 0;
};

std::vector<Cost> with_forbidden(std::vector<int64_t> costs) {
  for (int64_t& cost : costs) {
    if (cost >= kIopddlInfinity) cost = kForbidden;
  }
  return costs;
}

// An edge from a node to itself is a cost of the node.
void add_own_edge(Variable& variable, const std::vector<int64_t>& costs) {
  const size_t options = variable.cost.size();
  for (size_t i = 0; i < options; ++i) {
    const int64_t more = costs[i * options + i];
    const bool is_forbidden = variable.cost[i] >= kForbidden || more >= kIopddlInfinity;
    variable.cost[i] = is_forbidden ? kForbidden : variable.cost[i] + more;
  }
}

}  // namespace

IopddlInstance parse_iopddl(std::string_view json, std::string_view what) {
  return InstanceBuilder(parse_iopddl_form(json, what), what).build();
}

IopddlInstance read_iopddl(const std::filesystem::path& path) {
  std::string text = read_text(path);
  if (is_gzip(text)) text = gunzip(text, path.string(), kMaxUnpackedBytes);
  return parse_iopddl(text, path.string());
}

Problem to_problem(const IopddlInstance& instance) {
  Problem problem;
  problem.memory_bound = instance.usage_limit;
  for (const IopddlInstance::Node& node : instance.nodes) {
    Variable variable;
    variable.cost = with_forbidden(node.cost);
    variable.bytes.assign(node.cost.size(), 0);
    if (!node.live.empty()) variable.timed = {{node.live, node.usage}};
    problem.variables.push_back(std::move(variable));
  }
  std::map<std::pair<size_t, std::vector<int64_t>>, int> tables;  // by columns and costs
  for (const IopddlInstance::Edge& edge : instance.edges) {
    Variable& first = problem.variables[static_cast<size_t>(edge.first)];
    const Variable& second = problem.variables[static_cast<size_t>(edge.second)];
    if (edge.first == edge.second) {
      add_own_edge(first, edge.cost);
      continue;
    }
    const auto [found, is_new] = tables.try_emplace(std::pair(second.cost.size(), edge.cost),
                                                    static_cast<int>(problem.tables.size()));
    if (is_new) {
      problem.tables.push_back({static_cast<int>(first.cost.size()),
                                static_cast<int>(second.cost.size()), with_forbidden(edge.cost)});
    }
    problem.edges.push_back({edge.first, edge.second, found->second});
  }
  return problem;
}

}  // namespace partita::planner
