// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/open_plan.h"

#include <algorithm>
#include <set>

#include "planner/mesh_parts.h"
#include "planner/pipeline.h"
#include "planner/sharing.h"
#include "support/error.h"

namespace partita::planner {
namespace {

PlanRequest with_workload(PlanRequest request, const plan::Workload& workload) {
  request.workload = workload;
  return request;
}

const StrategyOption* find_strategy(const StrategyTable& table,
                                    const std::vector<int>& axis_factor) {
  for (const StrategyOption& option : table) {
    if (option.axis_factor == axis_factor) return &option;
  }
  return nullptr;
}

plan::CostTerms negative(const plan::CostTerms& terms) {
  return {-terms.decode_compute_s, -terms.decode_comm_s, -terms.prefill_compute_s,
          -terms.prefill_comm_s};
}

const cost::Profile& checked_profile(const PlanRequest& request, const plan::Plan& plan) {
  if (plan.profile != request.profile.id()) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[explain] the plan was made with profile ", plan.profile, ", not ",
                    request.profile.id(), "; give the --devices it was made with"));
  }
  return request.profile;
}

}  // namespace

OpenPlan::OpenPlan(const PlanRequest& request, const plan::Plan& plan)
    : request_(with_workload(request, plan.workload)),
      plan_(plan),
      facts_(facts_of(request, plan)),
      submeshes_(facts_, request_, checked_profile(request_, plan), plan.replicas) {
  open_spaces();
  find_chosen();
  pin_shared();
  for (size_t stage = 0; stage < plan_.stages.size(); ++stage) {
    stages_.push_back(as_planned(stage));
  }
  add_up();
}

// Handing values over between stages is the part of the plan's prediction that no decision holds.
void OpenPlan::add_up() {
  predicted_ = plan_.predicted;
  for (const plan::OpDecision& op : plan_.ops) add_terms(predicted_, negative(op.cost));
  for (const plan::ReshardDecision& reshard : plan_.reshards) {
    add_terms(predicted_, negative(reshard.cost));
  }
  for (const StagePlan& stage : stages_) add_terms(predicted_, stage.decisions.cost);
}

void OpenPlan::open_spaces() {
  const MeshParts parts = parts_of_plan(plan_, request_.mesh);
  for (size_t stage = 0; stage < parts.stages.size(); ++stage) {
    const auto spaces = submeshes_.spaces_of(parts.devices_of_stage(stage));
    spaces_.push_back(space_of_plan(stage, spaces));
  }
}

// The plan's shares of unlike devices are seen in the pieces of its results: the space under whose
// pieces most of them are the same.
PlanSpace* OpenPlan::space_of_plan(size_t stage, std::span<PlanSpace* const> spaces) const {
  std::map<std::string_view, const std::vector<int>*> strategies;
  for (const plan::OpDecision& op : plan_.ops) strategies[op.node] = &op.axis_factor;
  const auto alike = [&](PlanSpace* space) {
    int64_t count = 0;
    for (const auto& [name, spec] : plan_.values) {
      const auto id = graph().find_value(name);
      const ir::NodeId producer = id ? graph().value(*id).producer : ir::kNoId;
      if (producer == ir::kNoId || plan_.stage_of_node(producer) != static_cast<int>(stage))
        continue;
      const ir::Node& node = graph().node(producer);
      const auto strategy = strategies.find(node.name);
      if (strategy == strategies.end()) continue;
      const StrategyOption* option = find_strategy(space->table_of(producer), *strategy->second);
      const auto slot = std::ranges::find(node.outputs, *id) - node.outputs.begin();
      if (option == nullptr) continue;
      count += space->spec(option->outputs[static_cast<size_t>(slot)]) == spec ? 1 : 0;
    }
    return count;
  };
  if (spaces.size() == 1) return spaces.front();
  return *std::ranges::max_element(spaces, {}, alike);
}

void OpenPlan::find_chosen() {
  std::map<std::string, const std::vector<int>*> listed;
  for (const plan::OpDecision& op : plan_.ops) listed[op.node] = &op.axis_factor;
  for (ir::NodeId node = 0; node < facts_.node_count(); ++node) {
    PlanSpace& space = *spaces_[static_cast<size_t>(plan_.stage_of_node(node))];
    const std::string& name = graph().node(node).name;
    const auto found = listed.find(name);
    const std::vector<int> replicated(static_cast<size_t>(space.mesh().axis_count()),
                                      spec::Strategy::kNone);
    const std::vector<int>& wanted = found == listed.end() ? replicated : *found->second;
    if (const StrategyOption* option = find_strategy(space.table_of(node), wanted)) {
      chosen_.push_back(*option);
      continue;
    }
    const StrategyTable all = space.all_strategies(node);
    const StrategyOption* option = find_strategy(all, wanted);
    if (option == nullptr) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[explain] node ", name, " has no such strategy on mesh ",
                      space.mesh().to_string(), "; make the plan again"));
    }
    chosen_.push_back(*option);
  }
}

std::vector<size_t> OpenPlan::stages_of(ir::ValueId value) const {
  std::set<size_t> stages;
  const ir::NodeId producer = graph().value(value).producer;
  if (producer != ir::kNoId) return {static_cast<size_t>(plan_.stage_of_node(producer))};
  for (const Use& use : facts_.uses_of(value)) {
    if (use.node == ir::kNoId) continue;
    stages.insert(static_cast<size_t>(plan_.stage_of_node(use.node)));
  }
  return {stages.begin(), stages.end()};
}

void OpenPlan::pin_shared() {
  for (const auto& [name, spec] : plan_.values) {
    const auto id = graph().find_value(name);
    CHECK(id.has_value(), "value ", name, " is not in the graph");
    if (graph().value(*id).kind == ir::ValueKind::kResult) continue;
    const std::vector<size_t> stages = stages_of(*id);
    if (stages.size() < 2) continue;
    const auto& home = spaces_[stages.front()]->mesh();
    for (const size_t stage : stages) {
      // Copies on unlike meshes that the plan does not list lie as their readers ask.
      if (spaces_[stage]->mesh().axes() == home.axes()) {
        pinned_[stage][*id] = spaces_[stage]->id_of(spec);
      }
    }
  }
  for (const plan::WeightCopy& copy : plan_.copies) {
    const auto id = graph().find_value(copy.value);
    CHECK(id.has_value(), "value ", copy.value, " is not in the graph");
    const auto stage = static_cast<size_t>(copy.stage);
    pinned_[stage][*id] = spaces_[stage]->id_of(copy.spec);
  }
}

SpecId OpenPlan::chosen_spec(ir::ValueId value) {
  const std::vector<size_t> stages = stages_of(value);
  CHECK(!stages.empty(), "nothing reads or makes ", graph().value(value).name);
  for (const auto& [id, spec] : stages_[stages.front()].decisions.values) {
    if (id == value) return spec;
  }
  return spaces_[stages.front()]->replicated(value);
}

StagePlan OpenPlan::as_planned(size_t stage) {
  PlanSpace& space = *spaces_[stage];
  const Range nodes = {plan_.stages[stage].first_node, plan_.stages[stage].end_node};
  for (int64_t node = nodes.begin; node < nodes.end; ++node) {
    space.force(static_cast<ir::NodeId>(node), {chosen(static_cast<ir::NodeId>(node))});
  }
  StageRequest request = {
      .nodes = nodes, .pinned = pinned_[stage], .time_limit_s = request_.time_limit_s};
  std::optional<StagePlan> plan = plan_forced_stage(space, request);
  space.release();
  if (plan) return std::move(*plan);
  throw Error(ErrorCode::kInvalidArgument,
              str("[explain] the strategies of stage ", stage,
                  " of the plan do not go together; make the plan again"));
}

std::vector<size_t> OpenPlan::touched_stages(const ForcedChoice& choice) const {
  if (choice.node != ir::kNoId) return {static_cast<size_t>(plan_.stage_of_node(choice.node))};
  if (choice.stored != ir::kNoId) return stages_of(choice.stored);
  std::vector<size_t> all(stages_.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  return all;
}

std::optional<StagePlan> OpenPlan::stage_with(size_t stage, const ForcedChoice& choice) {
  PlanSpace& space = *spaces_[stage];
  PinnedSpecs pinned = pinned_[stage];
  if (choice.node != ir::kNoId) space.force(choice.node, choice.strategies);
  if (choice.stored != ir::kNoId) {
    PlanSpace& home = *spaces_[stages_of(choice.stored).front()];
    // A spec says nothing about a copy on a mesh with other axes.
    if (home.mesh().axes() == space.mesh().axes()) {
      pinned[choice.stored] = space.id_of(home.spec(choice.spec));
    }
  }
  std::optional<StagePlan> plan = plan_forced_stage(
      space, {.nodes = {plan_.stages[stage].first_node, plan_.stages[stage].end_node},
              .pinned = pinned,
              .time_limit_s = request_.time_limit_s});
  space.release();
  return plan;
}

std::optional<ForcedPlan> OpenPlan::with(const ForcedChoice& choice) {
  const std::vector<size_t> touched = touched_stages(choice);
  ForcedPlan result;
  result.touched = touched;
  result.fits = true;
  result.predicted = predicted_;
  bool is_first = true;
  const auto consider = [&](const StagePlan& stage) {
    for (const plan::RankMemory& rank : stage.memory) {
      if (is_first || rank.excess() > result.fullest.excess()) result.fullest = rank;
      is_first = false;
    }
  };
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (std::find(touched.begin(), touched.end(), i) == touched.end()) {
      consider(stages_[i]);
      continue;
    }
    std::optional<StagePlan> stage = stage_with(i, choice);
    if (!stage) return std::nullopt;
    result.fits = result.fits && stage->fits;
    result.delta += stage->cost - stages_[i].cost;
    add_terms(result.predicted, stage->decisions.cost);
    add_terms(result.predicted, negative(stages_[i].decisions.cost));
    consider(*stage);
    result.stages.push_back(std::move(*stage));
  }
  return result;
}

plan::Plan OpenPlan::as_plan(const ForcedPlan* forced) {
  PipelinePlan pipeline;
  pipeline.parts.replicas = plan_.replicas;
  pipeline.parts.replica = plan_.mesh;
  pipeline.predicted = forced == nullptr ? predicted_ : forced->predicted;
  for (size_t i = 0; i < stages_.size(); ++i) {
    const plan::Stage& stage = plan_.stages[i];
    pipeline.parts.stages.push_back(stage.mesh);
    pipeline.nodes.push_back({stage.first_node, stage.end_node});
    const StagePlan* decided = &stages_[i];
    for (size_t j = 0; forced != nullptr && j < forced->touched.size(); ++j) {
      if (forced->touched[j] == i) decided = &forced->stages[j];
    }
    pipeline.stages.push_back(*decided);
    for (const auto& [id, spec] : decided->decisions.values) {
      pipeline.values.try_emplace(id, spaces_[i]->spec(spec));
    }
  }
  return to_plan(pipeline, request_);
}

double OpenPlan::request_seconds(const plan::CostTerms& terms) const {
  return phases().request_seconds({terms.decode_compute_s + terms.decode_comm_s,
                                   terms.prefill_compute_s + terms.prefill_comm_s});
}

double OpenPlan::request_seconds(Cost cost) const {
  constexpr double kPicosecond = 1e-12;
  return static_cast<double>(cost) * kPicosecond *
         (phases().decode_steps + phases().prefill_chunks);
}

}  // namespace partita::planner
