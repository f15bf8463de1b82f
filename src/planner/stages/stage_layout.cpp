// SPDX-License-Identifier: Apache-2.0
#include "planner/stages/stage_layout.h"

#include <algorithm>
#include <memory>
#include <numeric>

#include "planner/mesh_candidates.h"
#include "planner/stages/estimated_price.h"
#include "planner/stages/stage_links.h"

namespace partita::planner {
namespace {

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
        const spec::Mesh mesh(axes, devices);
        if (spaces_.facts().pins().misfit(mesh, 1)) continue;
        const int shape = static_cast<int>(meshes_.size());
        meshes_.push_back(mesh);
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

}  // namespace partita::planner
