// SPDX-License-Identifier: Apache-2.0
#include "planner/pins/stage_pins.h"

#include <algorithm>

#include "support/error.h"

namespace partita::planner {
namespace {

int number_of(const PinnedGraph::StagePin& pin, int stages) {
  return pin.stage == PinDecision::kLastStage ? stages - 1 : pin.stage;
}

}  // namespace

std::vector<int> pinned_stages(const PinnedGraph& pins, int nodes, int stages) {
  if (pins.stages().empty()) return {};
  std::vector<int> result(static_cast<size_t>(nodes), -1);
  for (const auto& [node, stage] : pins.stages()) {
    result[static_cast<size_t>(node)] = number_of(stage, stages);
  }
  return result;
}

std::vector<int64_t> with_pinned_cuts(const PinnedGraph& pins, std::vector<int64_t> positions) {
  std::vector<int64_t> added;
  auto last = pins.stages().begin();
  for (auto at = pins.stages().begin(); at != pins.stages().end(); last = at++) {
    if (at->second.stage == last->second.stage) continue;
    const auto next = std::upper_bound(positions.begin(), positions.end(), last->first);
    if (next == positions.end() || *next > at->first) added.push_back(at->first);
  }
  positions.insert(positions.end(), added.begin(), added.end());
  std::sort(positions.begin(), positions.end());
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  return positions;
}

void throw_stage_conflict(const ir::Graph& graph, const PinnedGraph& pins, int stages) {
  auto last = pins.stages().begin();
  for (auto at = pins.stages().begin(); at != pins.stages().end(); last = at++) {
    if (number_of(at->second, stages) >= number_of(last->second, stages)) continue;
    throw Error(
        ErrorCode::kInvalidArgument,
        str("[pins] ", to_string(pins.pin(last->second.pin)), " at ", graph.node(last->first).name,
            " and ", to_string(pins.pin(at->second.pin)), " at ", graph.node(at->first).name,
            " contradict each other: the first operator runs before the second, so its "
            "stage cannot be later"));
  }
  throw Error(ErrorCode::kInvalidArgument,
              str("[pins] no cut of ", graph.name(), " into ", stages,
                  " stages gives every stage an operator and puts the pinned ones where ",
                  pins.stages().empty() ? "they belong"
                                        : to_string(pins.pin(pins.stages().begin()->second.pin)),
                  " and the other stage pins want them; use fewer stages or other pins"));
}

}  // namespace partita::planner
