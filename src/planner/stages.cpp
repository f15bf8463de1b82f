// SPDX-License-Identifier: Apache-2.0
#include "planner/stages.h"

#include <algorithm>
#include <limits>

namespace partita::planner {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

class StageBalance {
 public:
  explicit StageBalance(const BalanceRequest& request) : request_(request) {
    const auto nodes = static_cast<int64_t>(request.loads.size());
    borders_.push_back(0);
    crossing_.push_back(0);
    for (size_t i = 0; i < request.positions.size(); ++i) {
      borders_.push_back(request.positions[i]);
      crossing_.push_back(request.crossing_seconds[i]);
    }
    borders_.push_back(nodes);
    crossing_.push_back(0);  // the results of the last stage leave the graph
    seconds_.push_back(0);
    bytes_.push_back(0);
    for (const NodeLoad& load : request.loads) {
      seconds_.push_back(seconds_.back() + load.seconds);
      bytes_.push_back(bytes_.back() + load.bytes);
    }
  }

  std::optional<std::vector<Range>> run() {
    const size_t borders = borders_.size();
    // slowest_[border] = the slowest of the stages so far when they end at the border.
    std::vector<double> slowest(borders, kNever);
    slowest[0] = 0;
    for (int stage = 0; stage < request_.stages; ++stage) slowest = add_stage(stage, slowest);
    if (slowest.back() == kNever) return std::nullopt;
    std::vector<Range> stages(static_cast<size_t>(request_.stages));
    size_t end = borders - 1;
    for (size_t stage = stages.size(); stage-- > 0;) {
      const size_t begin = begin_of_[stage][end];
      stages[stage] = {borders_[begin], borders_[end]};
      end = begin;
    }
    return stages;
  }

 private:
  std::vector<double> add_stage(int stage, const std::vector<double>& before) {
    const std::vector<int64_t> misplaced = misplaced_in(stage);
    std::vector<double> after(before.size(), kNever);
    std::vector<size_t>& begins = begin_of_.emplace_back(before.size(), 0);
    for (size_t end = 1; end < before.size(); ++end) {
      for (size_t begin = 0; begin < end; ++begin) {
        if (misplaced[end] != misplaced[begin]) continue;
        const double slowest = std::max(before[begin], stage_seconds(begin, end));
        if (slowest >= after[end]) continue;
        after[end] = slowest;
        begins[end] = begin;
      }
    }
    return after;
  }

  // Per border: how many nodes before it are pinned to another stage.
  [[nodiscard]] std::vector<int64_t> misplaced_in(int stage) const {
    std::vector<int64_t> before = {0};
    for (const int pinned : request_.pinned_stage) {
      before.push_back(before.back() + (pinned >= 0 && pinned != stage ? 1 : 0));
    }
    std::vector<int64_t> result;
    for (const int64_t border : borders_) {
      result.push_back(request_.pinned_stage.empty() ? 0 : before[static_cast<size_t>(border)]);
    }
    return result;
  }

  [[nodiscard]] double stage_seconds(size_t begin, size_t end) const {
    const auto first = static_cast<size_t>(borders_[begin]);
    const auto last = static_cast<size_t>(borders_[end]);
    if (bytes_[last] - bytes_[first] > request_.stage_bytes) return kNever;
    return seconds_[last] - seconds_[first] + crossing_[end];
  }

  const BalanceRequest& request_;
  std::vector<int64_t> borders_;
  std::vector<double> crossing_;  // per border
  std::vector<double> seconds_;   // sums over the nodes before each
  std::vector<int64_t> bytes_;
  std::vector<std::vector<size_t>> begin_of_;  // [stage][end border]
};

}  // namespace

std::optional<std::vector<Range>> balance_stages(const BalanceRequest& request) {
  return StageBalance(request).run();
}

std::vector<int64_t> cut_positions(const ir::Graph& graph, int stages) {
  std::vector<int64_t> at_layers;
  std::vector<int64_t> all;
  for (size_t i = 1; i < graph.nodes().size(); ++i) {
    all.push_back(static_cast<int64_t>(i));
    if (graph.nodes()[i].layer != graph.nodes()[i - 1].layer) {
      at_layers.push_back(static_cast<int64_t>(i));
    }
  }
  return static_cast<int>(at_layers.size()) + 1 >= stages ? at_layers : all;
}

}  // namespace partita::planner
