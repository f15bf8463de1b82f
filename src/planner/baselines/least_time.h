// SPDX-License-Identifier: Apache-2.0
// What no plan can be faster than, for tests: a bound on the time of a request that knows of no
// plan, only of work, rates, starts and the collectives that a decoder cannot do without.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <vector>

#include "cost/collective_cost.h"
#include "ops/add_norm/normalised_sum.h"
#include "planner/planner.h"
#include "support/error.h"

namespace partita::planner {

// Between one norm of the residual stream and the next a decoder block makes its one token's row of
// channels anew, and the norm wants the row whole. So a run of operators from norm to norm either
// stays on one device, or is divided among k of them and pays for one all_reduce among them, or for
// one smaller collective and everything before or after it undivided. Divided work takes no less
// than on one device with the rates of all k together, where operators still start one by one.
// Prefill counts as divided among all devices at no price. For one sequence in flight.
class LeastTime {
 public:
  LeastTime(const ir::Graph& graph, const cost::Profile& profile)
      : graph_(graph), profile_(profile) {
    const int64_t count = profile.device_count();
    for (int64_t size = 1; size <= count; ++size) teams_.push_back(team_of(size));
  }

  [[nodiscard]] double request_seconds() const {
    const plan::Workload workload;
    const double chunks =
        static_cast<double>(workload.prompt_tokens) / static_cast<double>(workload.max_step_tokens);
    return static_cast<double>(workload.output_tokens) * decode_seconds() +
           chunks * teams_.back().prefill_s;
  }

 private:
  struct Team {
    int64_t size = 1;
    std::vector<double> node_s = {};  // one decode step
    double prefill_s = 0;
    cost::GroupLink link = {};
  };

  [[nodiscard]] Team team_of(int64_t size) const {
    std::vector<cost::Device> devices;
    for (int64_t rank = 0; rank < profile_.device_count(); ++rank) {
      devices.push_back(profile_.device_of(rank));
    }
    std::ranges::stable_sort(devices, std::ranges::greater(), &cost::Device::memory_bandwidth);
    cost::Profile joined;
    joined.name = "joined";
    joined.device = devices.front();
    joined.device.memory_bytes = int64_t{1} << 44;
    for (size_t i = 1; i < static_cast<size_t>(size); ++i) {
      joined.device.memory_bandwidth += devices[i].memory_bandwidth;
      joined.device.f32_flops += devices[i].f32_flops;
      joined.device.bf16_flops += devices[i].bf16_flops;
    }
    const PlanResult result = make_plan({.graph = graph_, .profile = joined, .dtype = "bf16"});
    const auto& plan = std::get<plan::Plan>(result);
    Team team = {.size = size, .link = link_of(size)};
    team.prefill_s = plan.predicted.prefill_compute_s;
    for (size_t node = 0; node < plan.ops.size(); ++node) {
      const plan::CostTerms& cost = plan.ops[node].cost;
      const bool is_free = joins_norm(graph_.nodes()[node]);
      team.node_s.push_back(is_free ? 0 : cost.decode_compute_s);
      if (is_free) team.prefill_s -= cost.prefill_compute_s;
    }
    return team;
  }

  // Plans of several ranks leave such an addition to the norm behind it.
  [[nodiscard]] bool joins_norm(const ir::Node& add) const {
    const auto reader = std::ranges::find_if(graph_.nodes(), [&](const ir::Node& node) {
      return std::ranges::count(node.inputs, add.outputs.front()) > 0;
    });
    return reader != graph_.nodes().end() && ops::is_normalised_sum(graph_, add, *reader);
  }

  // Of a collective that leaves so many bytes on every rank.
  [[nodiscard]] double seconds_of(const Team& team, spec::ReshardKind kind, double bytes) const {
    const bool is_sum = kind == spec::ReshardKind::kAllReduce;  // of terms as large as the sum
    return cost::collective_seconds(kind, team.size, {is_sum ? bytes : 0, bytes}, team.link,
                                    profile_.device_of(int64_t{0}));
  }

  [[nodiscard]] double row_bytes(ir::ValueId value) const {
    return 4 * static_cast<double>(graph_.value(value).type.dims.back().size);
  }

  // The best that so many devices can have among them: the innermost axes, as far as they reach.
  [[nodiscard]] cost::GroupLink link_of(int64_t size) const {
    cost::GroupLink group = {0, std::numeric_limits<double>::infinity()};
    int64_t reached = 1;
    for (auto axis = profile_.axes.rbegin(); axis != profile_.axes.rend() && reached < size;
         ++axis) {
      reached *= axis->size;
      const cost::Link& link = profile_.link(axis->name);
      group.latency_s = std::max(group.latency_s, link.latency_s);
      group.bandwidth = std::min(group.bandwidth, link.bandwidth);
    }
    return group;
  }

  [[nodiscard]] bool is_stream_norm(const ir::Node& node) const {
    if (node.op != "rms_norm" && node.op != "layer_norm") return false;
    const ir::Value& input = graph_.value(node.inputs.front());
    if (input.type.dims.size() != 2 || input.producer == ir::kNoId) return false;
    const std::string& made_by = graph_.node(input.producer).op;
    return made_by == "add" || made_by == "embedding" || made_by == "take_rows";
  }

  [[nodiscard]] double decode_seconds() const {
    double seconds = 0;
    size_t begin = 0;
    for (size_t node = 1; node <= graph_.nodes().size(); ++node) {
      if (node < graph_.nodes().size() && !is_stream_norm(graph_.nodes()[node])) continue;
      seconds += run_seconds(begin, node);
      begin = node;
    }
    return seconds;
  }

  // The nodes [begin, end); nothing has to be whole where the row is looked up.
  [[nodiscard]] double run_seconds(size_t begin, size_t end) const {
    const auto sum = [&](const Team& team) {
      double seconds = 0;
      for (size_t node = begin; node < end; ++node) seconds += team.node_s[node];
      return seconds;
    };
    if (begin == 0) return sum(teams_.back());
    const bool is_head = end == graph_.nodes().size();
    const double row =
        row_bytes(is_head ? graph_.outputs().front() : graph_.nodes()[end].inputs.front());
    const Team& alone = teams_.front();
    double least = sum(alone);
    for (size_t index = 1; index < teams_.size(); ++index) {
      const Team& team = teams_[index];
      const double divided = sum(team);
      const double all_gather = seconds_of(team, spec::ReshardKind::kAllGather, row);
      least =
          std::min(least, divided + all_gather + (is_head ? 0 : undivided_rest(begin, end, index)));
      if (is_head) continue;
      least = std::min(least, divided + seconds_of(team, spec::ReshardKind::kAllReduce, row));
      // What is gathered before the last product may be smaller than the row.
      const size_t last = last_product(begin, end);
      least = std::min(least, divided + seconds_of(team, spec::ReshardKind::kAllGather, 0) +
                                  alone.node_s[last] - team.node_s[last]);
    }
    return least;
  }

  // What it adds when everything but the last product runs on one device.
  [[nodiscard]] double undivided_rest(size_t begin, size_t end, size_t team) const {
    double seconds = 0;
    for (size_t node = begin; node < last_product(begin, end); ++node) {
      seconds += teams_.front().node_s[node] - teams_[team].node_s[node];
    }
    return seconds;
  }

  // The last operator of the run with a matrix: o_proj, down_proj, experts.
  [[nodiscard]] size_t last_product(size_t begin, size_t end) const {
    for (size_t node = end; node-- > begin;) {
      const std::string& op = graph_.nodes()[node].op;
      if (op == "linear" || op == "experts") return node;
    }
    return begin;
  }

  const ir::Graph& graph_;
  const cost::Profile& profile_;
  std::vector<Team> teams_;  // of the 1, 2, ... fastest devices
};

}  // namespace partita::planner
