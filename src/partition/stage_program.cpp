// SPDX-License-Identifier: Apache-2.0
// Walks the nodes of a stage and places every value where its readers need it.
#include "partition/stage_program.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "partition/reshard_path.h"
#include "support/error.h"

namespace partita::partition {
namespace {

using ir::NodeId;
using ir::ValueId;
using spec::TensorSpec;

class Builder {
 public:
  Builder(const PlanIndex& index, int stage)
      : index_(index),
        graph_(index.graph()),
        part_(index.plan().stages[static_cast<size_t>(stage)]),
        homes_(graph_.values().size(), ir::kNoId) {
    program_.stage = stage;
    for (const ir::Node& node : graph_.nodes()) names_.insert(node.name);
    for (const ir::Value& value : graph_.values()) names_.insert(value.name);
  }

  StageProgram build() {
    for (int64_t node = part_.first_node; node < part_.end_node; ++node) {
      receive_before(static_cast<NodeId>(node));
      add_node(static_cast<NodeId>(node));
    }
    receive_before(static_cast<NodeId>(graph_.nodes().size()));
    if (program_.stage == index_.stage_count() - 1) {
      for (const ValueId output : graph_.outputs()) program_.outputs.push_back(whole(output));
    }
    send();
    return std::move(program_);
  }

 private:
  // Transfers lie in the order in which stages handle them.
  void receive_before(NodeId node) {
    const std::vector<Transfer>& transfers = index_.transfers();
    for (; next_transfer_ < transfers.size(); ++next_transfer_) {
      const Transfer& transfer = transfers[next_transfer_];
      const bool is_later = transfer.to_stage == program_.stage && transfer.before_node > node;
      if (transfer.to_stage > program_.stage || is_later) return;
      if (transfer.to_stage < program_.stage) continue;
      const int to =
          place(transfer.value, replicated(transfer.value), graph_.value(transfer.value).name);
      homes_[static_cast<size_t>(transfer.value)] = to;
      program_.items.push_back(PlacedRecv{to, transfer.from_stage});
    }
  }

  // All reshards come before the first message, so that collectives of the stage never wait for
  // another stage.
  void send() {
    std::vector<PlacedSend> sends;
    for (const Transfer& transfer : index_.transfers()) {
      if (transfer.from_stage == program_.stage)
        sends.push_back({whole(transfer.value), transfer.to_stage});
    }
    program_.items.insert(program_.items.end(), sends.begin(), sends.end());
  }

  void add_node(NodeId id) {
    const ir::Node& node = graph_.node(id);
    const plan::OpDecision* decision = index_.decision_of(id);
    PlacedNode placed;
    placed.node = id;
    placed.layout = layout_of(graph_, node, part_.mesh,
                              decision == nullptr ? std::vector<int>{} : decision->axis_factor,
                              listed_specs(node));
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      placed.inputs.push_back(
          resharded(node.inputs[i], placed.layout.strategy.inputs[i], node.name));
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId output = node.outputs[i];
      const int made = place(output, placed.layout.strategy.outputs[i], graph_.value(output).name);
      homes_[static_cast<size_t>(output)] = made;
      placed.outputs.push_back(made);
    }
    program_.items.push_back(std::move(placed));
    follow_listed_outputs(node);
  }

  // A plan edited by hand may list another spec than the op makes: then the value moves there at
  // once.
  void follow_listed_outputs(const ir::Node& node) {
    for (const ValueId output : node.outputs) {
      const TensorSpec* listed = index_.spec_of(output, program_.stage);
      if (listed != nullptr) homes_[static_cast<size_t>(output)] = resharded(output, *listed, {});
    }
  }

  ListedSpecs listed_specs(const ir::Node& node) const {
    ListedSpecs listed;
    for (const ValueId output : node.outputs)
      listed.outputs.push_back(index_.spec_of(output, program_.stage));
    for (const ValueId input : node.inputs) {
      std::vector<const TensorSpec*>& specs = listed.inputs.emplace_back();
      for (const plan::ReshardDecision* reshard : index_.reshards_of(input, program_.stage)) {
        if (std::ranges::find(reshard->consumers, node.name) != reshard->consumers.end()) {
          specs.push_back(&reshard->to);
        }
      }
      const int home = homes_[static_cast<size_t>(input)];
      if (home != ir::kNoId) specs.push_back(&program_.values[static_cast<size_t>(home)].spec);
      if (home == ir::kNoId && index_.spec_of(input, program_.stage) != nullptr)
        specs.push_back(index_.spec_of(input, program_.stage));
    }
    return listed;
  }

  // How an input, weight or state is stored in this stage when `required` is what its first reader
  // there needs. A later stage has its own copy, cut as listed, else as it needs it.
  TensorSpec stored_spec(ValueId id, const TensorSpec& required) const {
    const ir::Value& value = graph_.value(id);
    if (value.kind == ir::ValueKind::kInput) return replicated(id);
    const TensorSpec* listed = index_.spec_of(id, program_.stage);
    if (listed != nullptr) return *listed;
    const auto home = static_cast<size_t>(index_.home_stage(id));
    const bool is_alike = index_.plan().stages[home].mesh.axes() == part_.mesh.axes();
    return value.kind == ir::ValueKind::kState || !is_alike ? required : replicated(id);
  }

  int home_of(ValueId id, const TensorSpec& required) {
    int& home = homes_[static_cast<size_t>(id)];
    if (home != ir::kNoId) return home;
    const ir::Value& value = graph_.value(id);
    CHECK(value.kind != ir::ValueKind::kResult, "the result ", value.name,
          " is read before it is made or received");
    TensorSpec spec = stored_spec(id, required);
    if (spec.dims.size() != value.type.dims.size()) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[partition] the plan contradicts the graph: the spec of \"", value.name,
                      "\" has ", spec.dims.size(), " dims; expected ", value.type.dims.size()));
    }
    home = place(id, std::move(spec), value.name);
    program_.values[static_cast<size_t>(home)].plain = true;
    return home;
  }

  int whole(ValueId id) { return resharded(id, replicated(id), {}); }

  // The value in spec `to` for the node `consumer`; adds the reshard unless it is there already.
  int resharded(ValueId id, const TensorSpec& to, std::string_view consumer) {
    const int home = home_of(id, to);
    const auto found = placed_.find({id, to});
    if (found != placed_.end()) return found->second;
    if (graph_.value(id).kind == ir::ValueKind::kState) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[partition] the plan contradicts the graph: state \"", graph_.value(id).name,
                      "\" is read in another spec than it is stored in; expected one spec for all "
                      "its readers"));
    }
    int at = home;
    const TensorSpec from = program_.values[static_cast<size_t>(home)].spec;
    for (const spec::ReshardStep& step :
         reshard_path(index_, program_.stage, {id, from, to, consumer})) {
      at = after_step(id, at, step);
    }
    return at;
  }

  int after_step(ValueId id, int from, const spec::ReshardStep& step) {
    const auto found = placed_.find({id, step.result});
    if (found != placed_.end()) return found->second;
    const std::string name =
        unused_name(str(graph_.value(id).name, ".", spec::to_string(step.kind)));
    const int to = place(id, step.result, name);
    program_.items.push_back(PlacedReshard{step, from, to});
    return to;
  }

  int place(ValueId id, TensorSpec spec, std::string name) {
    const int at = static_cast<int>(program_.values.size());
    placed_[{id, spec}] = at;
    program_.values.push_back({id, std::move(spec), std::move(name), false});
    return at;
  }

  TensorSpec replicated(ValueId id) const {
    return TensorSpec::replicated(static_cast<int>(graph_.value(id).type.dims.size()));
  }

  std::string unused_name(const std::string& wish) {
    std::string name = wish;
    for (int number = 2; !names_.insert(name).second; ++number) name = str(wish, "-", number);
    return name;
  }

  const PlanIndex& index_;
  const ir::Graph& graph_;
  const plan::Stage& part_;
  StageProgram program_;
  size_t next_transfer_ = 0;  // to be received, or of an earlier stage
  std::vector<int> homes_;    // by value: where it lies first in this stage
  std::map<std::pair<ValueId, TensorSpec>, int> placed_;
  std::set<std::string, std::less<>> names_;
};

}  // namespace

StageProgram make_stage_program(const PlanIndex& index, int stage) {
  return Builder(index, stage).build();
}

}  // namespace partita::partition
