// SPDX-License-Identifier: Apache-2.0
// A finished plan, opened again to be questioned: what would it cost with another choice?
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "planner/graph_facts.h"
#include "planner/plan_space.h"
#include "planner/planner.h"
#include "planner/stage_plan.h"
#include "planner/stages/submesh_spaces.h"

namespace partita::planner {

// What is forced: a node has one of these strategies, or a weight or state is stored like this.
struct ForcedChoice {
  ir::NodeId node = ir::kNoId;
  StrategyTable strategies;
  ir::ValueId stored = ir::kNoId;
  SpecId spec = 0;
};

// The best whole plan with a forced choice, on the same mesh and stages as the plan in question.
struct ForcedPlan {
  bool fits = false;
  Cost delta = 0;                 // against the plan in question, picoseconds of an average step
  plan::CostTerms predicted;      // of the whole plan
  plan::RankMemory fullest;       // rank of the whole plan
  std::vector<StagePlan> stages;  // the stages that the choice touches
  std::vector<size_t> touched;    // which these are
};

// One plan with the tables it was (or could have been) chosen from. Plans that were edited by hand
// are priced as they are. Borrows request and plan, whose mesh and profile belong together.
// Thread-compatible.
class OpenPlan {
 public:
  // Throws kInvalidArgument when the plan holds a strategy that does not exist, or needs another
  // profile than the request has.
  OpenPlan(const PlanRequest& request, const plan::Plan& plan);
  OpenPlan(const OpenPlan&) = delete;
  OpenPlan& operator=(const OpenPlan&) = delete;

  [[nodiscard]] const GraphFacts& facts() const { return facts_; }
  [[nodiscard]] const ir::Graph& graph() const { return facts_.graph(); }
  [[nodiscard]] const plan::Plan& plan() const { return plan_; }
  [[nodiscard]] const Phases& phases() const { return submeshes_.phases(); }
  [[nodiscard]] const PlanRequest& request() const { return request_; }
  // Stages of all readers of a weight or state; of the producer of a result.
  [[nodiscard]] std::vector<size_t> stages_of(ir::ValueId value) const;
  [[nodiscard]] PlanSpace& space(size_t stage) { return *spaces_[stage]; }
  // What the plan in question costs; what an edited plan says of itself may be out of date.
  [[nodiscard]] const plan::CostTerms& predicted() const { return predicted_; }
  // The plan in question, stage by stage.
  [[nodiscard]] const StagePlan& stage(size_t stage) const { return stages_[stage]; }
  // The strategy that the plan has for a node, with its specs on the stage's mesh.
  [[nodiscard]] const StrategyOption& chosen(ir::NodeId node) const {
    return chosen_[static_cast<size_t>(node)];
  }
  // The spec of a weight, state or result in the plan.
  [[nodiscard]] SpecId chosen_spec(ir::ValueId value);

  // Nothing when no plan is legal with the choice, whatever the memory. With an empty choice: the
  // planner's own best.
  [[nodiscard]] std::optional<ForcedPlan> with(const ForcedChoice& choice);

  // The plan in question (nullptr), or that with a forced choice, put together anew.
  [[nodiscard]] plan::Plan as_plan(const ForcedPlan* forced);

  // Seconds of one request of the workload.
  [[nodiscard]] double request_seconds(const plan::CostTerms& terms) const;
  [[nodiscard]] double request_seconds(Cost cost) const;

 private:
  void open_spaces();
  [[nodiscard]] PlanSpace* space_of_plan(size_t stage, std::span<PlanSpace* const> spaces) const;
  void find_chosen();
  void pin_shared();
  void add_up();
  [[nodiscard]] StagePlan as_planned(size_t stage);
  [[nodiscard]] std::vector<size_t> touched_stages(const ForcedChoice& choice) const;
  [[nodiscard]] std::optional<StagePlan> stage_with(size_t stage, const ForcedChoice& choice);

  PlanRequest request_;  // for the workload of the plan
  const plan::Plan& plan_;
  GraphFacts facts_;
  SubmeshSpaces submeshes_;
  std::vector<PlanSpace*> spaces_;        // per stage; stages on alike devices share one
  std::map<size_t, PinnedSpecs> pinned_;  // per stage: weights that others read too
  std::vector<StrategyOption> chosen_;    // per node
  std::vector<StagePlan> stages_;
  plan::CostTerms predicted_;
};

}  // namespace partita::planner
