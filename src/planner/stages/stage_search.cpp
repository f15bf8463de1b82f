// SPDX-License-Identifier: Apache-2.0
#include "planner/stages/stage_search.h"

#include <algorithm>
#include <limits>

#include "support/error.h"

namespace partita::planner {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// How much latency may be given for balance: far below what predictions are good for.
constexpr double kBalanceTolerance = 0.005;
constexpr int kBisections = 16;

enum class Fold { kSum, kSlowest };

// One pass: the least sum of stages none of which is slower than `limit`, or the least slowest.
class Pass {
 public:
  Pass(const StageChoices& choices, Fold fold, double limit)
      : choices_(choices), fold_(fold), limit_(limit), borders_(choices.borders.size()) {
    const size_t devices = choices.blocks.size() + 1;
    value_.assign(devices * borders_, kNever);
    from_.resize(devices * borders_);
    value_[0] = 0;
    for (size_t device = 0; device + 1 < devices; ++device) {
      for (size_t block = 0; block < choices.blocks[device].size(); ++block) extend(device, block);
    }
  }

  [[nodiscard]] double value() const { return value_.back(); }

  [[nodiscard]] ChosenStages stages() const {
    ChosenStages result;
    size_t device = choices_.blocks.size();
    size_t border = borders_ - 1;
    while (device > 0) {
      const Step& step = from_[device * borders_ + border];
      const Block& block = choices_.blocks[step.device][step.block];
      result.stages.push_back({static_cast<int>(step.device),
                               block,
                               {choices_.borders[step.border], choices_.borders[border]}});
      const double seconds = stage_seconds(block, step.border, border);
      result.sum_seconds += seconds;
      result.slowest_seconds = std::max(result.slowest_seconds, seconds);
      device = step.device;
      border = step.border;
    }
    std::ranges::reverse(result.stages);
    return result;
  }

 private:
  struct Step {
    size_t device = 0;
    size_t border = 0;
    size_t block = 0;
  };

  void extend(size_t device, size_t block_index) {
    const Block& block = choices_.blocks[device][block_index];
    const auto end_device = static_cast<size_t>(block.end);
    const bool is_last = end_device == choices_.blocks.size();
    for (size_t begin = 0; begin + 1 < borders_; ++begin) {
      const double before = value_[device * borders_ + begin];
      if (before == kNever) continue;
      for (size_t end = is_last ? borders_ - 1 : begin + 1; end < borders_; ++end) {
        const double own = stage_seconds(block, begin, end);
        if (own > limit_ || own == kNever) continue;
        const double value = fold_ == Fold::kSum ? before + own : std::max(before, own);
        double& best = value_[end_device * borders_ + end];
        if (value >= best) continue;
        best = value;
        from_[end_device * borders_ + end] = {device, begin, block_index};
      }
    }
  }

  [[nodiscard]] double stage_seconds(const Block& block, size_t begin, size_t end) const {
    const double own = block.price->seconds({choices_.borders[begin], choices_.borders[end]});
    const bool is_last = static_cast<size_t>(block.end) == choices_.blocks.size();
    return is_last ? own : own + choices_.handover_seconds[static_cast<size_t>(block.end)][end];
  }

  const StageChoices& choices_;
  Fold fold_;
  double limit_;
  size_t borders_;
  std::vector<double> value_;  // [device * borders + border]: stages so far end there
  std::vector<Step> from_;
};

// The same choices with nothing but the blocks of `stages`.
StageChoices restricted_to(const StageChoices& choices, const ChosenStages& stages) {
  StageChoices result = choices;
  for (auto& blocks : result.blocks) blocks.clear();
  for (const ChosenStage& stage : stages.stages) {
    result.blocks[static_cast<size_t>(stage.begin)] = {stage.block};
  }
  return result;
}

// Of the cuts that cost hardly more than `best`, the one with the fastest slowest stage.
ChosenStages balanced(const StageChoices& choices, ChosenStages best) {
  const double enough = best.sum_seconds * (1 + kBalanceTolerance);
  double low = Pass(choices, Fold::kSlowest, kNever).value();
  double high = best.slowest_seconds;
  for (int i = 0; i < kBisections && low < high; ++i) {
    const double limit = i == 0 ? low : (low + high) / 2;
    const Pass pass(choices, Fold::kSum, limit);
    if (pass.value() <= enough) {
      best = pass.stages();
      high = best.slowest_seconds;
    } else {
      low = limit;
    }
  }
  return best;
}

// Of each node, how many results are made before it and read by it or later.
std::vector<int64_t> crossing_results(const ir::Graph& graph) {
  const auto nodes = static_cast<int64_t>(graph.nodes().size());
  std::vector<int64_t> last_read(graph.values().size(), -1);
  for (int64_t i = 0; i < nodes; ++i) {
    for (const ir::ValueId input : graph.nodes()[static_cast<size_t>(i)].inputs) {
      if (input != ir::kNoId) last_read[static_cast<size_t>(input)] = i;
    }
  }
  for (const ir::ValueId output : graph.outputs()) last_read[static_cast<size_t>(output)] = nodes;
  std::vector<int64_t> change(static_cast<size_t>(nodes) + 2, 0);
  for (size_t id = 0; id < graph.values().size(); ++id) {
    const ir::Value& value = graph.values()[id];
    if (value.kind != ir::ValueKind::kResult || last_read[id] <= value.producer) continue;
    ++change[static_cast<size_t>(value.producer) + 1];
    --change[static_cast<size_t>(last_read[id]) + 1];
  }
  for (size_t i = 1; i < change.size(); ++i) change[i] += change[i - 1];
  return change;
}

bool changes_layer(const ir::Graph& graph, int64_t node) {
  return graph.nodes()[static_cast<size_t>(node)].layer !=
         graph.nodes()[static_cast<size_t>(node) - 1].layer;
}

}  // namespace

std::optional<ChosenStages> search_stages(const StageChoices& choices, StageObjective objective) {
  CHECK(choices.borders.size() >= 2, "a graph without nodes has no stages");
  if (objective == StageObjective::kLatency) {
    const Pass fastest(choices, Fold::kSum, kNever);
    if (fastest.value() == kNever) return std::nullopt;
    ChosenStages stages = fastest.stages();
    const StageChoices same_blocks = restricted_to(choices, stages);
    return balanced(same_blocks, std::move(stages));
  }
  const double slowest = Pass(choices, Fold::kSlowest, kNever).value();
  if (slowest == kNever) return std::nullopt;
  return Pass(choices, Fold::kSum, slowest).stages();
}

std::vector<int64_t> cut_borders(const ir::Graph& graph, int stages) {
  constexpr int64_t kLayersPerStage = 4;
  constexpr int64_t kFewBorders = 160;  // stays cheap: the search is quadratic in them
  const auto nodes = static_cast<int64_t>(graph.nodes().size());
  const std::vector<int64_t> crossing = crossing_results(graph);
  int64_t at_layers_most = 0;
  for (int64_t i = 1; i < nodes; ++i) {
    if (changes_layer(graph, i)) {
      at_layers_most = std::max(at_layers_most, crossing[static_cast<size_t>(i)]);
    }
  }
  std::vector<int64_t> at_layers = {0};
  std::vector<int64_t> narrow = {0};
  std::vector<int64_t> all = {0};
  for (int64_t i = 1; i < nodes; ++i) {
    const bool is_narrow = crossing[static_cast<size_t>(i)] <= at_layers_most;
    if (changes_layer(graph, i)) at_layers.push_back(i);
    if (changes_layer(graph, i) || is_narrow) narrow.push_back(i);
    all.push_back(i);
  }
  for (auto* borders : {&at_layers, &narrow, &all}) borders->push_back(nodes);
  const auto most_stages = static_cast<int64_t>(at_layers.size()) - 1;
  const int64_t wanted = nodes <= kFewBorders ? kLayersPerStage * stages : stages;
  if (most_stages < wanted) return all;
  return static_cast<int64_t>(narrow.size()) <= kFewBorders ? narrow : at_layers;
}

}  // namespace partita::planner
