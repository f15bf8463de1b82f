// SPDX-License-Identifier: Apache-2.0
#include "planner/stages/stage_layout.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>

#include "planner/mesh_candidates.h"
#include "planner/pins/stage_pins.h"
#include "planner/stages/stage_links.h"
#include "support/error.h"

namespace partita::planner {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// The solutions a stage's time is read off.
enum class Trust {
  kFastest,  // the fastest ones, where they fit
  kEither,   // else the smallest ones, where they fit
  kAny,      // else those all the same
};

class EstimatedPrice : public StagePrice {
 public:
  EstimatedPrice(SubmeshSpaces& spaces, const spec::Mesh& devices, Trust trust)
      : fastest_(spaces.fastest(devices)),
        smallest_(trust == Trust::kFastest ? nullptr : &spaces.smallest(devices)),
        is_bounded_(trust != Trust::kAny) {}

  // No node that is pinned to another stage than this one.
  void keep_out(std::span<const int> pinned_stage, int stage) {
    misplaced_before_ = {0};
    for (const int pinned : pinned_stage) {
      const bool is_misplaced = pinned >= 0 && pinned != stage;
      misplaced_before_.push_back(misplaced_before_.back() + (is_misplaced ? 1 : 0));
    }
  }

  [[nodiscard]] double seconds(Range nodes) const override {
    if (misplaced_before_.size() > 1 && misplaced_before_[static_cast<size_t>(nodes.end)] !=
                                            misplaced_before_[static_cast<size_t>(nodes.begin)]) {
      return kNever;
    }
    const double fastest = best_of(fastest_, nodes, true);
    if (fastest < kNever || smallest_ == nullptr) return fastest;
    return best_of(*smallest_, nodes, is_bounded_);
  }

 private:
  // The shares of the devices may differ from stage to stage.
  static double best_of(const SubmeshSpaces::Estimates& estimates, Range nodes, bool must_fit) {
    double best = kNever;
    for (const auto& estimate : estimates) {
      if (!must_fit || estimate->fits(nodes)) best = std::min(best, estimate->seconds(nodes));
    }
    return best;
  }

  const SubmeshSpaces::Estimates& fastest_;
  const SubmeshSpaces::Estimates* smallest_;
  bool is_bounded_;
  std::vector<int64_t> misplaced_before_;  // per node; empty when no pin names a stage
};

// Where the stages may be cut: where the request cuts them, else between layers and where pins do.
std::vector<int64_t> borders_for(const SubmeshSpaces& spaces, int stages) {
  const std::vector<int64_t>& cuts = spaces.request().cuts;
  if (cuts.empty()) {
    return with_pinned_cuts(spaces.facts().pins(), cut_borders(spaces.facts().graph(), stages));
  }
  std::vector<int64_t> borders = {0};
  borders.insert(borders.end(), cuts.begin(), cuts.end());
  borders.push_back(spaces.facts().node_count());
  const bool is_ascending =
      std::ranges::adjacent_find(borders, std::greater_equal<>()) == borders.end();
  if (is_ascending && static_cast<int>(borders.size()) == stages + 1) return borders;
  throw Error(ErrorCode::kInvalidArgument,
              str("[planner] ", cuts.size(), " cuts for ", stages, " stages of ",
                  spaces.facts().node_count(),
                  " operators; expected one cut between any two stages, each behind an operator "
                  "of its own"));
}

std::optional<ChosenStages> cut_trusting(SubmeshSpaces& spaces,
                                         const MeshParts& parts,
                                         StageObjective objective,
                                         Trust trust) {
  const auto count = static_cast<int>(parts.stages.size());
  const PinnedGraph& pins = spaces.facts().pins();
  const std::vector<int64_t> borders = borders_for(spaces, count);
  const std::vector<int> pinned = pinned_stages(pins, spaces.facts().node_count(), count);
  StageChoices choices = {.borders = borders, .blocks = {}, .handover_seconds = {}};
  std::vector<std::unique_ptr<EstimatedPrice>> prices;
  for (int stage = 0; stage < count; ++stage) {
    const spec::Mesh devices = parts.devices_of_stage(static_cast<size_t>(stage));
    prices.push_back(std::make_unique<EstimatedPrice>(spaces, devices, trust));
    prices.back()->keep_out(pinned, stage);
    choices.blocks.push_back({{stage + 1, prices.back().get(), 0}});
    choices.handover_seconds.emplace_back(borders.size(), 0.0);
    if (stage == 0) continue;
    const spec::Mesh before = parts.devices_of_stage(static_cast<size_t>(stage - 1));
    choices.handover_seconds.back() =
        border_seconds(spaces.facts(), spaces.phases(),
                       handover_between(spaces, before.ranks(), devices.ranks()), borders);
  }
  return search_stages(choices, objective);
}

// All blocks over devices [0, count) in their order, with their meshes.
class BlockSearch {
 public:
  BlockSearch(SubmeshSpaces& spaces, std::vector<int> order, Trust trust)
      : spaces_(spaces), order_(std::move(order)), trust_(trust) {
    const auto most_stages = std::min<int64_t>(static_cast<int64_t>(order_.size()), kMostBlocks);
    borders_ = cut_borders(spaces.facts().graph(), static_cast<int>(most_stages));
    choices_.borders = borders_;
    for (size_t first = 0; first < order_.size(); ++first) {
      choices_.blocks.emplace_back();
      add_blocks(static_cast<int>(first));
      add_handover(first);
    }
  }

  [[nodiscard]] std::optional<StageLayout> run(StageObjective objective) const {
    const auto chosen = search_stages(choices_, objective);
    if (!chosen) return std::nullopt;
    StageLayout layout;
    std::vector<spec::Mesh> stages;
    for (const ChosenStage& stage : chosen->stages) {
      stages.push_back(meshes_[static_cast<size_t>(stage.block.shape)]);
      layout.nodes.push_back(stage.nodes);
    }
    layout.parts = parts_of_devices(stages);
    layout.request_seconds = chosen->sum_seconds;
    layout.slowest_seconds = chosen->slowest_seconds;
    layout.fits = true;
    return layout;
  }

 private:
  void add_blocks(int first) {
    const MeshShapes shapes = mesh_shapes(spaces_.profile().axes, spaces_.facts().graph());
    const auto count = static_cast<int64_t>(order_.size());
    for (const int64_t size : block_sizes(count)) {
      if (first + size > count || !keeps_borders(shapes.described, first, size)) continue;
      const std::vector<int> devices(order_.begin() + first, order_.begin() + first + size);
      for (const auto& axes : submesh_axes(shapes, size)) {
        const int shape = static_cast<int>(meshes_.size());
        meshes_.emplace_back(axes, devices);
        prices_.push_back(std::make_unique<EstimatedPrice>(spaces_, meshes_.back(), trust_));
        choices_.blocks.back().push_back(
            {first + static_cast<int>(size), prices_.back().get(), shape});
      }
    }
  }

  // From the device before: the blocks around the border are not known yet.
  void add_handover(size_t first) {
    const size_t before = first == 0 ? 0 : first - 1;
    const Handover handover = handover_between(spaces_, std::span(order_).subspan(before, 1),
                                               std::span(order_).subspan(first, 1));
    choices_.handover_seconds.push_back(
        border_seconds(spaces_.facts(), spaces_.phases(), handover, borders_));
  }

  SubmeshSpaces& spaces_;
  std::vector<int> order_;  // devices
  Trust trust_;
  std::vector<int64_t> borders_;
  StageChoices choices_;
  std::vector<spec::Mesh> meshes_;  // of the blocks
  std::vector<std::unique_ptr<EstimatedPrice>> prices_;
};

}  // namespace

std::optional<StageLayout> search_layout(SubmeshSpaces& spaces,
                                         int64_t devices,
                                         StageObjective objective) {
  std::vector<int> order(static_cast<size_t>(devices));
  std::iota(order.begin(), order.end(), 0);
  for (const Trust trust : {Trust::kFastest, Trust::kEither}) {
    auto layout = BlockSearch(spaces, order, trust).run(objective);
    if (layout) return layout;
  }
  return std::nullopt;
}

Handover handover_between(const SubmeshSpaces& spaces,
                          std::span<const int> from,
                          std::span<const int> to) {
  Handover handover;
  handover.profile = profile_between(spaces.profile(), from, to);
  handover.messages = static_cast<int64_t>((to.size() + from.size() - 1) / from.size());
  return handover;
}

StageLayout cut_for(SubmeshSpaces& spaces, const MeshParts& parts, StageObjective objective) {
  const int64_t nodes = spaces.facts().node_count();
  if (nodes < static_cast<int64_t>(parts.stages.size())) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[planner] ", parts.stages.size(), " stages for a graph of ", nodes,
                    " nodes; use a smaller pp"));
  }
  StageLayout layout = {.parts = parts, .nodes = {}};
  std::optional<ChosenStages> chosen;
  for (const Trust trust : {Trust::kFastest, Trust::kEither, Trust::kAny}) {
    chosen = cut_trusting(spaces, parts, objective, trust);
    layout.fits = trust != Trust::kAny;
    if (chosen) break;
  }
  if (!chosen) {
    throw_stage_conflict(spaces.facts().graph(), spaces.facts().pins(),
                         static_cast<int>(parts.stages.size()));
  }
  for (const ChosenStage& stage : chosen->stages) layout.nodes.push_back(stage.nodes);
  layout.request_seconds = chosen->sum_seconds;
  layout.slowest_seconds = chosen->slowest_seconds;
  return layout;
}

}  // namespace partita::planner
