// SPDX-License-Identifier: Apache-2.0
// Indexes a plan and finds what crosses its stages.
#include "partition/plan_index.h"

#include <map>
#include <set>
#include <string_view>

#include "support/error.h"

namespace partita::partition {
namespace {

Error contradiction(const std::string& text) {
  return Error(ErrorCode::kInvalidArgument, "[partition] the plan contradicts the graph: " + text);
}

}  // namespace

PlanIndex::PlanIndex(const ir::Graph& graph, const plan::Plan& plan)
    : graph_(graph),
      plan_(plan),
      specs_(graph.values().size()),
      reshards_(graph.values().size()),
      decisions_(graph.nodes().size()),
      home_stage_(graph.values().size(), ir::kNoId) {
  check_stages();
  index_names();
  index_stages();
}

void PlanIndex::check_stages() const {
  int64_t next = 0;
  std::set<int> ranks;
  for (const plan::Stage& stage : plan_.stages) {
    if (stage.first_node != next || stage.end_node < next) {
      throw contradiction(str("a stage holds the nodes [", stage.first_node, ",", stage.end_node,
                              "); expected it to begin at ", next));
    }
    next = stage.end_node;
    for (const int rank : stage.mesh.ranks()) {
      if (!ranks.insert(rank).second) throw contradiction(str("rank ", rank, " is in two stages"));
    }
  }
  const auto nodes = static_cast<int64_t>(graph_.nodes().size());
  if (plan_.stages.empty() || next != nodes) {
    throw contradiction(str("its stages end at node ", next, "; expected all ", nodes, " nodes"));
  }
}

void PlanIndex::index_names() {
  for (const auto& [name, spec] : plan_.values) {
    const auto id = graph_.find_value(name);
    if (!id) throw contradiction(str("it places a value \"", name, "\" that the graph has not"));
    specs_[static_cast<size_t>(*id)] = &spec;
  }
  for (const plan::WeightCopy& copy : plan_.copies) {
    const auto id = graph_.find_value(copy.value);
    if (!id)
      throw contradiction(str("it copies a value \"", copy.value, "\" that the graph has not"));
    copies_[{*id, copy.stage}] = &copy.spec;
    if (copy.is_sent) sent_.insert({*id, copy.stage});
  }
  for (const plan::ReshardDecision& reshard : plan_.reshards) {
    const auto id = graph_.find_value(reshard.value);
    if (!id)
      throw contradiction(
          str("it reshards a value \"", reshard.value, "\" that the graph has not"));
    reshards_[static_cast<size_t>(*id)].push_back(&reshard);
  }
  std::map<std::string_view, size_t> node_by_name;
  for (size_t id = 0; id < graph_.nodes().size(); ++id) node_by_name[graph_.nodes()[id].name] = id;
  for (const plan::OpDecision& decision : plan_.ops) {
    const auto found = node_by_name.find(decision.node);
    if (found == node_by_name.end()) {
      throw contradiction(str("it decides a node \"", decision.node, "\" that the graph has not"));
    }
    decisions_[found->second] = &decision;
  }
}

void PlanIndex::index_stages() {
  std::set<Transfer> transfers;
  std::set<std::pair<int, ir::ValueId>> seen;  // at their first reader in a stage
  const auto use = [&](ir::ValueId id, int stage, ir::NodeId node) {
    int& home = home_stage_[static_cast<size_t>(id)];
    const ir::Value& value = graph_.value(id);
    if (home == ir::kNoId) home = stage;
    if (home == stage) return;
    if (value.kind == ir::ValueKind::kState) {
      throw contradiction(str("state \"", value.name, "\" is used in the stages ", home, " and ",
                              stage, "; expected all its uses in one stage"));
    }
    const bool is_result = value.kind == ir::ValueKind::kResult;
    if (!is_result && !sent_.contains({id, stage})) return;
    if (!seen.insert({stage, id}).second) return;
    const auto first = static_cast<ir::NodeId>(plan_.stages[static_cast<size_t>(stage)].first_node);
    transfers.insert({stage, is_result ? first : node, home, id});
  };
  for (int stage = 0; stage < stage_count(); ++stage) {
    const plan::Stage& part = plan_.stages[static_cast<size_t>(stage)];
    for (int64_t node = part.first_node; node < part.end_node; ++node) {
      const ir::Node& reader = graph_.nodes()[static_cast<size_t>(node)];
      for (const ir::ValueId id : reader.inputs) use(id, stage, static_cast<ir::NodeId>(node));
      for (const ir::ValueId id : reader.outputs) use(id, stage, static_cast<ir::NodeId>(node));
    }
  }
  const auto end = static_cast<ir::NodeId>(graph_.nodes().size());
  for (const ir::ValueId id : graph_.outputs()) use(id, stage_count() - 1, end);
  transfers_.assign(transfers.begin(), transfers.end());
}

const spec::TensorSpec* PlanIndex::spec_of(ir::ValueId value, int stage) const {
  const auto copy = copies_.find({value, stage});
  if (copy != copies_.end()) return copy->second;
  const int home = home_stage(value);
  const auto axes_of = [&](int index) -> const std::vector<spec::MeshAxis>& {
    return plan_.stages.at(static_cast<size_t>(index)).mesh.axes();
  };
  const bool is_alike = home == ir::kNoId || home == stage || axes_of(home) == axes_of(stage);
  return is_alike ? specs_.at(static_cast<size_t>(value)) : nullptr;
}

const plan::OpDecision* PlanIndex::decision_of(ir::NodeId node) const {
  return decisions_.at(static_cast<size_t>(node));
}

std::vector<const plan::ReshardDecision*> PlanIndex::reshards_of(ir::ValueId value,
                                                                 int stage) const {
  std::vector<const plan::ReshardDecision*> result;
  for (const plan::ReshardDecision* reshard : reshards_.at(static_cast<size_t>(value))) {
    const bool is_own = reshard->stage == plan::ReshardDecision::kOwnStage;
    if ((is_own ? home_stage(value) : reshard->stage) == stage) result.push_back(reshard);
  }
  return result;
}

int PlanIndex::home_stage(ir::ValueId value) const {
  return home_stage_.at(static_cast<size_t>(value));
}

}  // namespace partita::partition
