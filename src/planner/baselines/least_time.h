// SPDX-License-Identifier: Apache-2.0
// What no plan can be faster than, for tests: a bound on the time of a request that knows of no
// plan, only of work, rates, starts and the collectives that a decoder cannot do without.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <span>
#include <vector>

#include "cost/collective_cost.h"
#include "ops/add_norm/normalised_sum.h"
#include "planner/mesh_candidates.h"
#include "planner/phases.h"
#include "planner/planner.h"
#include "support/error.h"

namespace partita::planner {

// Of plans of consecutive devices, all of them used, whose stages end in front of norms of the
// residual stream and divide their weights among all of their devices (PlanRequest::shard_weights),
// over machines of one or two levels of links, whose device with the fastest memory is also fastest
// in arithmetic and starts.
//
// Between one norm of the residual stream and the next a decoder block makes its one token's row of
// channels anew, and the norm wants the row whole. So a run of operators from norm to norm either
// stays on one device, or is divided among the k of its stage, every product of it, and pays for
// one all_reduce or two all_gathers among them. Divided work takes no less than on one device with
// the rates of all k together, where operators still start one by one. The addition in front of a
// norm is nothing to stages of several devices.
//
// Stages share the devices out, so runs of one stage have the same k. A run that a stage ends in
// has the best k, and its addition is nothing, but the row is handed over. Every token crosses the
// outermost link: the last product is divided over all of its stage and collected from there, and
// if that stage lies within one group of devices, stages hand the row over from group to group.
// In prefill every run has the best k, whatever the others have. For one sequence in flight.
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
           chunks * prefill_seconds();
  }

 private:
  struct Team {
    int64_t size = 1;
    std::vector<PhaseSeconds> node_s = {};  // one step; additions in front of norms take no time
    cost::GroupLink link = {};
  };

  [[nodiscard]] Team team_of(int64_t size) {
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
    for (size_t node = 0; node < plan.ops.size(); ++node) {
      const plan::CostTerms& cost = plan.ops[node].cost;
      const bool is_free = joins_norm(graph_.nodes()[node]);
      team.node_s.push_back(is_free ? PhaseSeconds()
                                    : PhaseSeconds{cost.decode_compute_s, cost.prefill_compute_s});
      if (size == 1) addition_s_.push_back(is_free ? cost.decode_compute_s : 0);
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
    return least_seconds(kind, team.size, bytes, team.link);
  }

  // Among so many devices at once, or one axis after the other where graphs may see them as
  // several.
  [[nodiscard]] double least_seconds(spec::ReshardKind kind,
                                     int64_t size,
                                     double bytes,
                                     const cost::GroupLink& link) const {
    const bool is_sum = kind == spec::ReshardKind::kAllReduce;  // of terms as large as the sum
    double least = cost::collective_seconds(kind, size, {is_sum ? bytes : 0, bytes}, link,
                                            profile_.device_of(int64_t{0}));
    if (!mesh_shapes(profile_.axes, graph_).has_all_factors) return least;
    for (int64_t factor = 2; factor < size; ++factor) {
      if (size % factor != 0) continue;
      least = std::min(least, least_seconds(kind, factor, 0, link) +
                                  least_seconds(kind, size / factor, bytes, link));
    }
    return least;
  }

  [[nodiscard]] double row_bytes(ir::ValueId value) const {
    return 4 * static_cast<double>(graph_.value(value).type.dims.back().size);
  }

  // Rows of a value of the stream in a full chunk: one per token, but only the last where logits
  // are taken from it.
  [[nodiscard]] double chunk_rows(ir::ValueId value) const {
    const bool is_per_token = graph_.value(value).type.dims.front().symbol == "t";
    return is_per_token ? static_cast<double>(plan::Workload().max_step_tokens) : 1;
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

  // Nodes [begin, end) from one norm of the stream to the next.
  struct Run {
    size_t begin = 0;
    size_t end = 0;
  };
  [[nodiscard]] std::vector<Run> runs() const {
    std::vector<Run> runs;
    size_t begin = 0;
    for (size_t node = 1; node <= graph_.nodes().size(); ++node) {
      if (node < graph_.nodes().size() && !is_stream_norm(graph_.nodes()[node])) continue;
      runs.push_back({begin, node});
      begin = node;
    }
    return runs;
  }

  // Stages so far: devices in all of them, those of the last one, and whether a run within a stage
  // has paid for a collective over the outermost link.
  struct Stages {
    size_t used = 0;
    size_t last = 0;
    bool has_crossed = false;
    auto operator<=>(const Stages&) const = default;
  };
  using LeastSeconds = std::map<Stages, double>;

  static void offer(LeastSeconds& least, const Stages& stages, double seconds) {
    double& known = least.try_emplace(stages, seconds).first->second;
    known = std::min(known, seconds);
  }

  // The least over all ways to share the devices out to stages of consecutive runs.
  [[nodiscard]] double decode_seconds() const {
    LeastSeconds least;
    for (size_t size = 1; size <= teams_.size(); ++size) least[{size, size, false}] = 0;
    for (const Run& run : runs()) least = after_run(run, least);
    const double crossing =
        handover_seconds(profile_.axes.front()) - handover_seconds(profile_.axes.back());
    double seconds = std::numeric_limits<double>::infinity();
    for (const auto& [stages, so_far] : least) {
      if (stages.used < teams_.size()) continue;
      seconds = std::min(seconds, so_far + (stages.has_crossed ? 0 : crossing));
    }
    return seconds;
  }

  [[nodiscard]] LeastSeconds after_run(const Run& run, const LeastSeconds& before) const {
    double at_border = std::numeric_limits<double>::infinity();
    for (const Team& team : teams_) at_border = std::min(at_border, run_seconds(run, team).decode);
    at_border += handover_seconds(profile_.axes.back());
    LeastSeconds after;
    for (const auto& [stages, seconds] : before) {
      const Team& team = teams_[stages.last - 1];
      const bool crosses = run.begin > 0 && team.size > profile_.axes.back().size;
      offer(after, {stages.used, stages.last, stages.has_crossed || crosses},
            seconds + inner_seconds(run, team));
      for (size_t size = 1; stages.used + size <= teams_.size(); ++size) {
        offer(after, {stages.used + size, size, stages.has_crossed}, seconds + at_border);
      }
    }
    return after;
  }

  // Handing one token's row over along that axis.
  [[nodiscard]] double handover_seconds(const spec::MeshAxis& axis) const {
    const cost::Link& link = profile_.link(axis.name);
    const auto head = std::ranges::find_if(graph_.nodes(), [&](const ir::Node& node) {
      return node.outputs.front() == graph_.outputs().front();
    });
    return cost::transfer_seconds(row_bytes(head->inputs.front()), link, profile_.device);
  }

  // The best team for every run.
  [[nodiscard]] double prefill_seconds() const {
    double seconds = 0;
    for (const Run& run : runs()) {
      double least = std::numeric_limits<double>::infinity();
      for (const Team& team : teams_) least = std::min(least, run_seconds(run, team).prefill);
      seconds += least;
    }
    return seconds;
  }

  // Additions in front of norms take no time. Nothing has to be whole where the row is looked up.
  [[nodiscard]] PhaseSeconds run_seconds(const Run& run, const Team& team) const {
    if (run.begin == 0) return divided_seconds(run, teams_.back());
    const PhaseSeconds divided = divided_seconds(run, team);
    if (team.size == 1) return divided;
    const bool is_head = run.end == graph_.nodes().size();
    const ir::ValueId whole =
        is_head ? graph_.outputs().front() : graph_.nodes()[run.end].inputs.front();
    const double row = row_bytes(whole);
    return {divided.decode + joining_seconds(team, row, is_head),
            divided.prefill + joining_seconds(team, row * chunk_rows(whole), is_head)};
  }

  // Logits are gathered. The last product of other runs sums what every device has, or its input is
  // gathered, which may be smaller, and what it makes.
  [[nodiscard]] double joining_seconds(const Team& team, double bytes, bool is_head) const {
    const double gathered = seconds_of(team, spec::ReshardKind::kAllGather, bytes);
    if (is_head) return gathered;
    return std::min(seconds_of(team, spec::ReshardKind::kAllReduce, bytes),
                    gathered + seconds_of(team, spec::ReshardKind::kAllGather, 0));
  }

  [[nodiscard]] PhaseSeconds divided_seconds(const Run& run, const Team& team) const {
    PhaseSeconds seconds;
    for (size_t node = run.begin; node < run.end; ++node) seconds += team.node_s[node];
    return seconds;
  }

  // A decode step of a run that no stage ends in.
  [[nodiscard]] double inner_seconds(const Run& run, const Team& team) const {
    double seconds = run_seconds(run, team).decode;
    if (team.size > 1) return seconds;
    for (size_t node = run.begin; node < run.end; ++node) seconds += addition_s_[node];
    return seconds;
  }

  const ir::Graph& graph_;
  const cost::Profile& profile_;
  std::vector<Team> teams_;         // of the 1, 2, ... fastest devices
  std::vector<double> addition_s_;  // per node: what an addition in front of a norm takes alone
};

}  // namespace partita::planner
