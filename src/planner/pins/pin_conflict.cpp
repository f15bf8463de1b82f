// SPDX-License-Identifier: Apache-2.0
#include "planner/pins/pin_conflict.h"

#include <algorithm>
#include <optional>
#include <span>

#include "planner/plan_space.h"
#include "planner/solvers/eliminate.h"
#include "planner/stage_problem.h"
#include "support/error.h"

namespace partita::planner {
namespace {

constexpr double kTimeLimitSeconds = 1;  // of one trial; without a memory bound it takes far less

// Whether the pins leave a plan, and if not, where one edge shows it.
struct Trial {
  bool leaves_plan = false;
  std::optional<ir::ValueId> contradiction;
};

Trial trial_of(const PinConflict& conflict, const std::vector<Pin>& pins) {
  const GraphFacts facts(conflict.facts.graph(), conflict.keep_whole, pins);
  const ReshardPrices::Context& given = conflict.context;
  // Which weights are to be sharded does not matter for what is possible.
  PlanSpace space({facts, given.mesh, given.profile, given.phases}, {.shard_weights = false});
  const PinnedSpecs none;
  StageProblem stage(space, conflict.nodes, none);
  const Solution solution = EliminationSolver(kTimeLimitSeconds).solve(stage.problem());
  return {solution.cost < kForbidden, stage.contradiction()};
}

std::vector<std::string> sources_of(const std::vector<Pin>& pins) {
  std::vector<std::string> sources;
  for (const Pin& pin : pins) {
    if (std::find(sources.begin(), sources.end(), pin.source) == sources.end()) {
      sources.push_back(pin.source);
    }
  }
  return sources;
}

// What is left when no source can go without leaving a plan. Halves are tried first, then smaller
// parts: most of many rules have nothing to do with the conflict.
std::vector<Pin> contradicting(const PinConflict& conflict) {
  std::vector<Pin> pins = conflict.facts.pins().pins();
  for (size_t part = std::max<size_t>(1, sources_of(pins).size() / 2);; part /= 2) {
    for (size_t begin = 0; begin < sources_of(pins).size();) {
      const std::vector<std::string> sources = sources_of(pins);
      const size_t end = std::min(sources.size(), begin + part);
      const std::span<const std::string> gone = std::span(sources).subspan(begin, end - begin);
      std::vector<Pin> fewer = pins;
      std::erase_if(
          fewer, [&](const Pin& pin) { return std::ranges::find(gone, pin.source) != gone.end(); });
      if (trial_of(conflict, fewer).leaves_plan) {
        begin = end;
      } else {
        pins = std::move(fewer);
      }
    }
    if (part <= 1) return pins;
  }
}

}  // namespace

void throw_conflict(const PinConflict& conflict) {
  const std::vector<Pin> pins = contradicting(conflict);
  std::string named;
  for (const std::string& source : sources_of(pins)) {
    const auto first = std::find_if(pins.begin(), pins.end(),
                                    [&](const Pin& pin) { return pin.source == source; });
    named += str(named.empty() ? "" : " and ", to_string(*first));
  }
  const auto where = trial_of(conflict, pins).contradiction;
  const std::string place = where ? str(" at ", conflict.facts.graph().value(*where).name) : "";
  throw Error(ErrorCode::kInvalidArgument,
              str("[pins] ", named, " contradict each other", place,
                  ": no strategies of the operators between them fit both"));
}

}  // namespace partita::planner
