// SPDX-License-Identifier: Apache-2.0
// Where a graph is cut for stages whose devices are given.
#include <algorithm>
#include <functional>
#include <limits>
#include <memory>

#include "planner/pins/stage_pins.h"
#include "planner/stages/estimated_price.h"
#include "planner/stages/range_bytes.h"
#include "planner/stages/stage_layout.h"
#include "support/error.h"

namespace partita::planner {
namespace {

// The share of the whole that consecutive nodes take of time and of bytes, mixed.
class BalancedPrice : public StagePrice {
 public:
  struct Mix {
    double whole_seconds = 1;
    double memory_weight = 0;  // 0 = time alone, 1 = bytes alone
    const RangeBytes& bytes;
  };
  BalancedPrice(const StagePrice& time, const Mix& mix) : time_(time), mix_(mix) {}

  [[nodiscard]] double seconds(Range nodes) const override {
    const double seconds = time_.seconds(nodes);
    if (seconds == std::numeric_limits<double>::infinity()) return seconds;
    const auto whole = static_cast<double>(std::max<int64_t>(1, mix_.bytes.total()));
    return (1 - mix_.memory_weight) * seconds / mix_.whole_seconds +
           mix_.memory_weight * static_cast<double>(mix_.bytes.of(nodes)) / whole;
  }

 private:
  const StagePrice& time_;
  Mix mix_;
};

// The choices for stages on the given devices, each one block.
class Cutter {
 public:
  Cutter(SubmeshSpaces& spaces, const MeshParts& parts, Trust trust)
      : spaces_(spaces), bytes_(bytes_to_balance(spaces)) {
    const auto count = static_cast<int>(parts.stages.size());
    const PinnedGraph& pins = spaces.facts().pins();
    borders_ = borders_for(count);
    choices_.borders = borders_;
    const std::vector<int> pinned = pinned_stages(pins, spaces.facts().node_count(), count);
    for (int stage = 0; stage < count; ++stage) {
      const spec::Mesh devices = parts.devices_of_stage(static_cast<size_t>(stage));
      times_.push_back(std::make_unique<EstimatedPrice>(spaces, devices, trust));
      times_.back()->keep_out(pinned, stage);
      choices_.handover_seconds.emplace_back(borders_.size(), 0.0);
      if (stage == 0) continue;
      const spec::Mesh before = parts.devices_of_stage(static_cast<size_t>(stage - 1));
      choices_.handover_seconds.back() =
          border_seconds(spaces.facts(), spaces.phases(),
                         handover_between(spaces, before.ranks(), devices.ranks()), borders_);
    }
  }

  [[nodiscard]] std::optional<ChosenStages> run(StageObjective objective) {
    const StageBalance& balance = spaces_.request().balance;
    if (balance.by == StageBalance::By::kObjective) {
      for (size_t stage = 0; stage < times_.size(); ++stage) add_block(stage, *times_[stage]);
      return search_stages(choices_, objective);
    }
    return run_balanced(balance);
  }

 private:
  static RangeBytes bytes_to_balance(const SubmeshSpaces& spaces) {
    const bool has_states = spaces.request().balance.by == StageBalance::By::kMix;
    return whole_bytes(spaces.facts(), spaces.phases().largest, has_states);
  }

  // Where the request cuts, else between layers and where pins do.
  [[nodiscard]] std::vector<int64_t> borders_for(int stages) const {
    const std::vector<int64_t>& cuts = spaces_.request().cuts;
    const GraphFacts& facts = spaces_.facts();
    if (cuts.empty()) return with_pinned_cuts(facts.pins(), cut_borders(facts.graph(), stages));
    std::vector<int64_t> borders = {0};
    borders.insert(borders.end(), cuts.begin(), cuts.end());
    borders.push_back(facts.node_count());
    const bool is_ascending =
        std::ranges::adjacent_find(borders, std::greater_equal<>()) == borders.end();
    if (is_ascending && static_cast<int>(borders.size()) == stages + 1) return borders;
    throw Error(
        ErrorCode::kInvalidArgument,
        str("[planner] ", cuts.size(), " cuts for ", stages, " stages of ", facts.node_count(),
            " operators; expected one cut between any two stages, each behind an operator "
            "of its own"));
  }

  void add_block(size_t stage, const StagePrice& price) {
    choices_.blocks.push_back({{static_cast<int>(stage) + 1, &price, 0}});
  }

  // Shares of the whole instead of seconds decide; the result has seconds again.
  [[nodiscard]] std::optional<ChosenStages> run_balanced(const StageBalance& balance) {
    const bool is_mix = balance.by == StageBalance::By::kMix;
    const BalancedPrice::Mix mix = {.whole_seconds = times_.front()->whole_seconds(),
                                    .memory_weight = is_mix ? balance.memory_weight : 1,
                                    .bytes = bytes_};
    std::vector<BalancedPrice> prices;
    prices.reserve(times_.size());
    for (size_t stage = 0; stage < times_.size(); ++stage) {
      prices.emplace_back(*times_[stage], mix);
      add_block(stage, prices.back());
    }
    const std::vector<std::vector<double>> handover = choices_.handover_seconds;
    for (auto& seconds : choices_.handover_seconds) {
      for (double& share : seconds) share *= (1 - mix.memory_weight) / mix.whole_seconds;
    }
    std::optional<ChosenStages> chosen = search_stages(choices_, StageObjective::kSlowest);
    if (chosen) in_seconds(handover, *chosen);
    return chosen;
  }

  void in_seconds(const std::vector<std::vector<double>>& handover, ChosenStages& chosen) const {
    chosen.sum_seconds = 0;
    chosen.slowest_seconds = 0;
    for (size_t stage = 0; stage < chosen.stages.size(); ++stage) {
      const Range nodes = chosen.stages[stage].nodes;
      double seconds = times_[stage]->seconds(nodes);
      const auto border = std::ranges::lower_bound(borders_, nodes.end) - borders_.begin();
      if (stage + 1 < handover.size()) seconds += handover[stage + 1][static_cast<size_t>(border)];
      chosen.sum_seconds += seconds;
      chosen.slowest_seconds = std::max(chosen.slowest_seconds, seconds);
    }
  }

  SubmeshSpaces& spaces_;
  RangeBytes bytes_;
  std::vector<int64_t> borders_;
  StageChoices choices_;
  std::vector<std::unique_ptr<EstimatedPrice>> times_;  // per stage
};

// How many stages the borders between the readers of no shared weight make.
int64_t most_stages(const std::vector<SharedWeight>& shared, const std::vector<int64_t>& borders) {
  return std::ranges::count_if(borders, [&](int64_t border) {
    return std::ranges::none_of(shared,
                                [&](const SharedWeight& weight) {
                                  return weight.first < border && border <= weight.last;
                                }) &&
           border != borders.front();
  });
}

[[noreturn]] void throw_apart(const SubmeshSpaces& spaces, size_t stages) {
  const std::vector<SharedWeight> shared = weights_to_keep_together(spaces);
  const auto longest = std::ranges::max_element(
      shared, {}, [](const SharedWeight& weight) { return weight.last - weight.first; });
  const ir::Graph& graph = spaces.facts().graph();
  const int64_t most = most_stages(shared, cut_borders(graph, static_cast<int>(stages)));
  throw Error(
      ErrorCode::kInvalidArgument,
      str("[planner] no cut into ", stages,
          " stages keeps the readers of every shared "
          "weight together: ",
          longest->name, " is read by ", graph.node(static_cast<ir::NodeId>(longest->first)).name,
          " and ", graph.node(static_cast<ir::NodeId>(longest->last)).name,
          ", and a step visits each stage once; use ",
          most == 1 ? "one stage" : str("at most ", most, " stages"),
          ", or give shared weights as by-cost, copy or send"));
}

}  // namespace

std::optional<StageLayout> try_cut_for(SubmeshSpaces& spaces,
                                       const MeshParts& parts,
                                       StageObjective objective) {
  const int64_t nodes = spaces.facts().node_count();
  if (nodes < static_cast<int64_t>(parts.stages.size())) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[planner] ", parts.stages.size(), " stages for a graph of ", nodes,
                    " nodes; use a smaller pp"));
  }
  StageLayout layout = {.parts = parts, .nodes = {}};
  std::optional<ChosenStages> chosen;
  for (const Trust trust : {Trust::kFastest, Trust::kEither, Trust::kAny}) {
    chosen = Cutter(spaces, parts, trust).run(objective);
    layout.fits = trust != Trust::kAny;
    if (chosen) break;
  }
  if (!chosen) return std::nullopt;
  for (const ChosenStage& stage : chosen->stages) layout.nodes.push_back(stage.nodes);
  layout.request_seconds = chosen->sum_seconds;
  layout.slowest_seconds = chosen->slowest_seconds;
  return layout;
}

StageLayout cut_for(SubmeshSpaces& spaces, const MeshParts& parts, StageObjective objective) {
  std::optional<StageLayout> layout = try_cut_for(spaces, parts, objective);
  if (layout) return std::move(*layout);
  if (!weights_to_keep_together(spaces).empty()) throw_apart(spaces, parts.stages.size());
  throw_stage_conflict(spaces.facts().graph(), spaces.facts().pins(),
                       static_cast<int>(parts.stages.size()));
}

}  // namespace partita::planner
