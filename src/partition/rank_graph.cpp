// SPDX-License-Identifier: Apache-2.0
// Cuts a stage program for one rank.
#include "partition/rank_graph.h"

#include <algorithm>
#include <utility>

#include "partition/collective_attributes.h"
#include "spec/strategy.h"
#include "support/error.h"

namespace partita::partition {
namespace {

using ir::ValueId;

// Values that the stage uses as they are stored, (global id, placed index), in the order of the
// unsharded graph, so that programs are easy to compare with it.
std::vector<std::pair<ValueId, int>> plain_values(const StageProgram& program) {
  std::vector<std::pair<ValueId, int>> plain;
  for (size_t i = 0; i < program.values.size(); ++i) {
    if (program.values[i].plain) plain.emplace_back(program.values[i].global, static_cast<int>(i));
  }
  std::ranges::sort(plain);
  return plain;
}

class RankGraphBuilder {
 public:
  RankGraphBuilder(const PlanIndex& index, const StageProgram& program, int64_t cell)
      : index_(index),
        program_(program),
        mesh_(index.plan().stages[static_cast<size_t>(program.stage)].mesh),
        cell_(cell),
        world_(group_name(all_ranks(index.plan()))),
        result_(index.graph().name()),
        local_(program.values.size(), ir::kNoId) {}

  ir::Graph build() {
    add_plain_values();
    for (const StageItem& item : program_.items) {
      std::visit([this](const auto& placed) { add(placed); }, item);
    }
    std::vector<ValueId> outputs;
    for (const int value : program_.outputs) outputs.push_back(local(value));
    result_.set_outputs(std::move(outputs));
    return std::move(result_);
  }

 private:
  void add_plain_values() {
    for (const auto& [global, placed] : plain_values(program_)) {
      const ir::Value& value = index_.graph().value(global);
      ValueId& id = local_[static_cast<size_t>(placed)];
      if (value.kind == ir::ValueKind::kInput)
        id = result_.add_input(value.name, local_type(placed));
      if (value.kind == ir::ValueKind::kState)
        id = result_.add_state(value.name, local_type(placed));
      if (value.kind == ir::ValueKind::kWeight) {
        id = result_.add_weight(value.name, local_type(placed), local_source(value, placed));
      }
    }
  }

  void add(const PlacedNode& placed) {
    const ir::Node& global = index_.graph().node(placed.node);
    ir::Node node;
    node.op = global.op;
    node.name = global.name;
    node.layer = global.layer;
    node.attributes = global.attributes;
    const std::vector<Range> ranges =
        spec::factor_ranges(placed.layout.notation, placed.layout.strategy, mesh_, cell_);
    for (const auto& [name, value] : spec::local_attributes(placed.layout.notation, ranges)) {
      node.attributes.set(name, value);
    }
    for (const int input : placed.inputs) node.inputs.push_back(local(input));
    std::vector<ir::TensorType> types;
    for (const int output : placed.outputs) types.push_back(local_type(output));
    if (node.op == "reshape") fit_reshape(node, types.front());
    const ir::NodeId id = result_.add_node(std::move(node), types);
    for (size_t i = 0; i < placed.outputs.size(); ++i) {
      local_[static_cast<size_t>(placed.outputs[i])] = result_.node(id).outputs[i];
    }
  }

  // A shape attribute that gives global sizes is rewritten; one with -1 for the cut dim holds in a
  // piece as it is.
  void fit_reshape(ir::Node& node, const ir::TensorType& type) const {
    std::vector<int64_t> shape = node.attributes.integers("shape");
    CHECK(shape.size() == type.dims.size(), "reshape ", node.name, " passed type inference");
    bool fits = true;
    for (size_t dim = 0; dim < shape.size(); ++dim) {
      if (shape[dim] <= 0 || shape[dim] == type.dims[dim].size) continue;
      shape[dim] = type.dims[dim].size;
      fits = false;
    }
    if (fits) return;
    for (size_t dim = 0; dim < shape.size(); ++dim) {
      if (shape[dim] == -1 && !type.dims[dim].is_symbolic()) shape[dim] = type.dims[dim].size;
    }
    node.attributes.set("shape", std::move(shape));
  }

  // True where a step moves nothing on this rank: a group of one, a slice of all it has, the term
  // of the first rank.
  bool is_idle(const PlacedReshard& placed) const {
    if (mesh_.size_of(placed.step.axes) == 1) return true;
    switch (placed.step.kind) {
      case spec::ReshardKind::kSlice:
        return ranges_at(placed.from, cell_) == ranges_at(placed.to, cell_);
      case spec::ReshardKind::kTerm:
        return mesh_.position(cell_, placed.step.axes) == 0;
      default:
        return false;
    }
  }

  MemberRanges ranges_of(const PlacedReshard& placed) const {
    const std::vector<int64_t> members = mesh_.group(cell_, placed.step.axes);
    MemberRanges ranges;
    ranges.position = mesh_.position(cell_, placed.step.axes);
    ranges.own = {ranges_at(placed.from, cell_), ranges_at(placed.to, cell_)};
    for (const int64_t member : members) {
      ranges.members.push_back({ranges_at(placed.from, member), ranges_at(placed.to, member)});
    }
    if (placed.step.kind == spec::ReshardKind::kPermute) {
      const spec::TensorSpec& before = program_.values[static_cast<size_t>(placed.from)].spec;
      ranges.sources = spec::permute_sources(before, placed.step, mesh_, cell_);
    }
    return ranges;
  }

  void add(const PlacedReshard& placed) {
    if (is_idle(placed)) {
      local_[static_cast<size_t>(placed.to)] = local(placed.from);
      return;
    }
    ir::Node node;
    node.op = spec::to_string(placed.step.kind);
    node.name = program_.values[static_cast<size_t>(placed.to)].name;
    node.inputs = {local(placed.from)};
    node.layer = layer_of(placed.from);
    node.attributes = collective_attributes(placed.step, ranges_of(placed),
                                            group_name(step_ranks(mesh_, cell_, placed.step.axes)));
    local_[static_cast<size_t>(placed.to)] = append(std::move(node), local_type(placed.to));
  }

  // Rank i of a stage receives from rank (i mod n) of a stage of n ranks.
  void add(const PlacedRecv& placed) {
    const spec::Mesh& source = index_.plan().stages[static_cast<size_t>(placed.from_stage)].mesh;
    ir::Node node;
    node.op = "recv";
    node.name = program_.values[static_cast<size_t>(placed.to)].name;
    node.layer = layer_of(placed.to);
    const ir::TensorType type = local_type(placed.to);
    node.attributes =
        recv_attributes(world_, source.ranks()[static_cast<size_t>(cell_ % source.size())], type);
    local_[static_cast<size_t>(placed.to)] = append(std::move(node), type);
  }

  void add(const PlacedSend& placed) {
    const spec::Mesh& target = index_.plan().stages[static_cast<size_t>(placed.to_stage)].mesh;
    const PlacedValue& value = program_.values[static_cast<size_t>(placed.from)];
    for (int64_t cell = cell_; cell < target.size(); cell += mesh_.size()) {
      const int rank = target.ranks()[static_cast<size_t>(cell)];
      ir::Node node;
      node.op = "send";
      node.name = str(value.name, ".send.", rank);
      node.inputs = {local(placed.from)};
      node.layer = layer_of(placed.from);
      node.attributes.set("group", world_);
      node.attributes.set("to", static_cast<int64_t>(rank));
      result_.add_node(std::move(node), {});
    }
  }

  ValueId append(ir::Node node, const ir::TensorType& type) {
    const ir::NodeId id = result_.add_node(std::move(node), std::span(&type, 1));
    return result_.node(id).outputs.front();
  }

  ValueId local(int placed) const {
    const ValueId id = local_[static_cast<size_t>(placed)];
    CHECK(id != ir::kNoId, program_.values[static_cast<size_t>(placed)].name,
          " is read before it is made");
    return id;
  }

  const ir::TensorType& global_type(int placed) const {
    return index_.graph().value(program_.values[static_cast<size_t>(placed)].global).type;
  }

  int32_t layer_of(int placed) const {
    const ir::Value& value =
        index_.graph().value(program_.values[static_cast<size_t>(placed)].global);
    return value.producer == ir::kNoId ? -1 : index_.graph().node(value.producer).layer;
  }

  std::vector<Range> ranges_at(int placed, int64_t cell) const {
    return spec::local_ranges(program_.values[static_cast<size_t>(placed)].spec,
                              global_type(placed).shape(), mesh_, cell);
  }

  ir::TensorType local_type(int placed) const {
    ir::TensorType type = global_type(placed);
    const std::vector<Range> ranges = ranges_at(placed, cell_);
    for (size_t dim = 0; dim < ranges.size(); ++dim) {
      if (!type.dims[dim].is_symbolic()) type.dims[dim] = ir::Dim(ranges[dim].size());
    }
    return type;
  }

  ir::WeightSource local_source(const ir::Value& weight, int placed) const {
    ir::WeightSource source = weight.source;
    const std::vector<Range> ranges = ranges_at(placed, cell_);
    for (size_t dim = 0; dim < ranges.size(); ++dim) {
      const Range whole{0, weight.type.dims[dim].size};
      if (ranges[dim] != whole) source = source.slice(static_cast<int>(dim), ranges[dim]);
    }
    return source;
  }

  const PlanIndex& index_;
  const StageProgram& program_;
  const spec::Mesh& mesh_;
  int64_t cell_;
  std::string world_;
  ir::Graph result_;
  std::vector<ValueId> local_;  // by placed value
};

}  // namespace

ir::Graph rank_graph(const PlanIndex& index, const StageProgram& program, int64_t cell) {
  return RankGraphBuilder(index, program, cell).build();
}

std::vector<WeightPiece> weight_pieces(const PlanIndex& index,
                                       const StageProgram& program,
                                       int64_t cell) {
  const spec::Mesh& mesh = index.plan().stages[static_cast<size_t>(program.stage)].mesh;
  std::vector<WeightPiece> pieces;
  for (const auto& [global, placed] : plain_values(program)) {
    const ir::Value& value = index.graph().value(global);
    if (value.kind != ir::ValueKind::kWeight) continue;
    const spec::TensorSpec& spec = program.values[static_cast<size_t>(placed)].spec;
    pieces.push_back({value.name, spec::local_ranges(spec, value.type.shape(), mesh, cell)});
  }
  return pieces;
}

std::string group_name(const std::vector<int>& ranks) {
  std::string name;
  for (const int rank : ranks) name += str(name.empty() ? "" : ",", rank);
  return name;
}

std::vector<int> all_ranks(const plan::Plan& plan) {
  std::vector<int> ranks;
  for (const plan::Stage& stage : plan.stages) {
    ranks.insert(ranks.end(), stage.mesh.ranks().begin(), stage.mesh.ranks().end());
  }
  std::ranges::sort(ranks);
  return ranks;
}

std::vector<int> step_ranks(const spec::Mesh& mesh, int64_t cell, const std::vector<int>& axes) {
  std::vector<int> ranks;
  for (const int64_t member : mesh.group(cell, axes)) {
    ranks.push_back(mesh.ranks()[static_cast<size_t>(member)]);
  }
  return ranks;
}

}  // namespace partita::partition
