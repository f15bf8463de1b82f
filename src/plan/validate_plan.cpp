// SPDX-License-Identifier: Apache-2.0
// Checks a plan against its graph: what the reader of plan.json cannot know or a program built
// wrong.
#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "plan/plan.h"
#include "plan/value_stages.h"
#include "spec/reshard_replay.h"
#include "support/error.h"

namespace partita::plan {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, "[plan] " + message);
}

void check_caches(const Plan& plan, const ir::Graph& graph) {
  for (const ir::Value& value : graph.values()) {
    if (value.kind != ir::ValueKind::kState) continue;
    if (to_string(value.type.dtype) == plan.cache_dtype) continue;
    refuse(str("cache_dtype is ", plan.cache_dtype, ", but the KV cache ", value.name,
               " of the graph is ", to_string(value.type.dtype), "; expected the same"));
  }
}

void check_stages(const Plan& plan, const ir::Graph& graph) {
  int64_t next = 0;
  std::vector<int> ranks;
  for (const Stage& stage : plan.stages) {
    if (stage.first_node != next || stage.end_node < next) {
      refuse(str("a stage holds nodes ", Range{stage.first_node, stage.end_node},
                 "; expected to begin at ", next));
    }
    next = stage.end_node;
    ranks.insert(ranks.end(), stage.mesh.ranks().begin(), stage.mesh.ranks().end());
  }
  const auto nodes = static_cast<int64_t>(graph.nodes().size());
  if (plan.stages.empty() || next != nodes) {
    refuse(str("the stages end at node ", next, "; the graph has ", nodes, " nodes"));
  }
  std::vector<int> expected = plan.mesh.ranks();
  std::sort(expected.begin(), expected.end());
  std::sort(ranks.begin(), ranks.end());
  if (ranks != expected) {
    refuse(str("the stages hold ", ranks.size(), " ranks; expected every rank of the mesh ",
               plan.mesh.to_string(), " exactly once"));
  }
}

// What is stored in blocks is cut between them.
void validate_spec(const ir::Value& value, const spec::TensorSpec& spec, const spec::Mesh& mesh) {
  spec::validate(spec, value.type.shape(), mesh);
  const int64_t block = block_elements(value.type.dtype);
  if (block == 1) return;
  for (const Range& piece : spec.dims.back().pieces) {
    if (piece.begin % block == 0 && piece.end % block == 0) continue;
    refuse(str("value ", value.name, " of type ", ir::to_string(value.type), " has the piece [",
               piece.begin, ",", piece.end, ") of its last dim; expected multiples of ", block));
  }
}

// Of a value as it is stored or given, before any step.
void validate_home(const ir::Value& value, const spec::TensorSpec& spec, const spec::Mesh& mesh) {
  validate_spec(value, spec, mesh);
  if (value.kind == ir::ValueKind::kResult || spec.partials.empty()) return;
  refuse(str("value ", value.name, " is stored or given, but its spec ",
             spec::to_string(spec, value.type.shape(), mesh),
             " is of terms of a reduction; expected one without"));
}

class Checker {
 public:
  Checker(const Plan& plan, const ir::Graph& graph)
      : plan_(plan), graph_(graph), value_stages_(stages_of_values(graph, plan.stages)) {
    for (size_t i = 0; i < graph.nodes().size(); ++i) node_by_name_[graph.nodes()[i].name] = i;
  }

  void check_values() {
    std::set<std::string_view> seen;
    for (const auto& [name, spec] : plan_.values) {
      if (!seen.insert(name).second) refuse(str("value ", name, " has two specs; expected one"));
      const ir::ValueId id = id_of(name);
      validate_home(graph_.value(id), spec, mesh_of(id));
      versions_[{id, value_stages_[static_cast<size_t>(id)]}].insert(spec);
    }
  }

  void check_copies() {
    std::set<std::pair<ir::ValueId, int>> seen;
    for (const WeightCopy& copy : plan_.copies) {
      const ir::ValueId id = id_of(copy.value);
      check_stage(copy.stage, copy.value);
      const bool is_copy = graph_.value(id).kind == ir::ValueKind::kWeight &&
                           copy.stage > value_stages_[static_cast<size_t>(id)];
      if (!is_copy || !seen.insert({id, copy.stage}).second) {
        refuse(str("value ", copy.value, " has a copy on stage ", copy.stage,
                   "; expected at most one per later stage, of a weight"));
      }
      const auto rank = static_cast<int>(graph_.value(id).type.dims.size());
      if (copy.is_sent && copy.spec != spec::TensorSpec::replicated(rank)) {
        refuse(str("value ", copy.value, " is sent to stage ", copy.stage,
                   " in another spec than whole; expected the spec of no split"));
      }
      const spec::Mesh& mesh = plan_.stages[static_cast<size_t>(copy.stage)].mesh;
      validate_home(graph_.value(id), copy.spec, mesh);
      versions_[{id, copy.stage}].insert(copy.spec);
    }
  }

  void check_ops() const {
    std::set<std::string_view> seen;
    for (const OpDecision& op : plan_.ops) {
      if (!seen.insert(op.node).second) refuse(str("node ", op.node, " is decided twice"));
      const auto stage = static_cast<size_t>(plan_.stage_of_node(node_of(op.node)));
      const int axes = plan_.stages[stage].mesh.axis_count();
      if (static_cast<int>(op.axis_factor.size()) != axes) {
        refuse(str("node ", op.node, " has ", op.axis_factor.size(),
                   " entries in its strategy; expected one per axis of its stage's mesh, ", axes));
      }
    }
  }

  void check_reshards() {
    for (const ReshardDecision& reshard : plan_.reshards) {
      const ir::ValueId id = id_of(reshard.value);
      const bool is_own = reshard.stage == ReshardDecision::kOwnStage;
      const int stage = is_own ? value_stages_[static_cast<size_t>(id)] : reshard.stage;
      check_stage(stage, reshard.value);
      auto& versions = versions_[{id, stage}];
      // What a later stage receives comes whole; a copy that is not listed lies as its readers ask.
      const bool is_unlisted_copy = versions.empty() &&
                                    stage != value_stages_[static_cast<size_t>(id)] &&
                                    graph_.value(id).kind == ir::ValueKind::kWeight;
      const spec::Mesh& mesh = plan_.stages[static_cast<size_t>(stage)].mesh;
      if (is_unlisted_copy) {
        validate_home(graph_.value(id), reshard.from, mesh);
        versions.insert(reshard.from);
      }
      if (versions.empty()) {
        versions.insert(
            spec::TensorSpec::replicated(static_cast<int>(graph_.value(id).type.dims.size())));
      }
      if (!versions.contains(reshard.from)) {
        refuse(str("a reshard of ", reshard.value,
                   " starts from a spec that the value never has; "
                   "expected its own spec or the result of an earlier reshard"));
      }
      check_steps(reshard, graph_.value(id), mesh);
      versions.insert(reshard.to);
      check_consumers(reshard, id, stage);
    }
  }

 private:
  [[nodiscard]] ir::ValueId id_of(const std::string& name) const {
    const auto id = graph_.find_value(name);
    if (!id) refuse(str("value ", name, " is not in the graph"));
    return *id;
  }

  [[nodiscard]] const spec::Mesh& mesh_of(ir::ValueId id) const {
    return plan_.stages[static_cast<size_t>(value_stages_[static_cast<size_t>(id)])].mesh;
  }

  [[nodiscard]] int64_t node_of(const std::string& name) const {
    const auto found = node_by_name_.find(name);
    if (found == node_by_name_.end()) refuse(str("node ", name, " is not in the graph"));
    return static_cast<int64_t>(found->second);
  }

  void check_stage(int stage, const std::string& value) const {
    if (stage >= 0 && stage < static_cast<int>(plan_.stages.size())) return;
    refuse(str("stage ", stage, " of value ", value, "; expected 0 .. ", plan_.stages.size() - 1));
  }

  // Every step leads from the spec before it to its result, the last one to `to`.
  void check_steps(const ReshardDecision& reshard, const ir::Value& value, const spec::Mesh& mesh) {
    const spec::TensorSpec* before = &reshard.from;
    for (const spec::ReshardStep& step : reshard.steps) {
      validate_spec(value, step.result, mesh);
      if (!is_step(*before, step, value.type.shape(), mesh)) {
        refuse(str("a reshard of ", reshard.value, " has the step ", spec::to_string(step.kind),
                   ", whose axes, dims and reduction do not lead from ",
                   spec::to_string(*before, value.type.shape(), mesh), " to its result ",
                   spec::to_string(step.result, value.type.shape(), mesh), "; plan again"));
      }
      before = &step.result;
    }
    if (*before == reshard.to) return;
    refuse(str("the steps of a reshard of ", reshard.value, " do not end in its spec `to`"));
  }

  // Layers repeat the steps of each other.
  [[nodiscard]] bool is_step(const spec::TensorSpec& before,
                             const spec::ReshardStep& step,
                             const std::vector<int64_t>& shape,
                             const spec::Mesh& mesh) {
    StepCase asked{&mesh, shape, before, step, false};
    const auto same = [&](const StepCase& other) {
      return other.mesh == asked.mesh && other.step == step && other.before == before &&
             other.shape == shape;
    };
    const auto known = std::find_if(steps_.begin(), steps_.end(), same);
    if (known != steps_.end()) return known->is_right;
    asked.is_right = spec::is_step_from(before, step, shape, mesh);
    return steps_.emplace_back(std::move(asked)).is_right;
  }

  // A consumer runs on the stage of the reshard.
  void check_consumers(const ReshardDecision& reshard, ir::ValueId id, int stage) const {
    for (const std::string& name : reshard.consumers) {
      const bool reads = name.empty() ? is_read_outside(id) : is_read_on(id, name, stage);
      if (!reads) {
        refuse(str("the reshard of ", reshard.value, " names the consumer \"", name,
                   "\", which does not read it"));
      }
    }
  }

  // By the caller of the graph or by a later stage.
  [[nodiscard]] bool is_read_outside(ir::ValueId id) const {
    const auto& outputs = graph_.outputs();
    if (std::find(outputs.begin(), outputs.end(), id) != outputs.end()) return true;
    const auto stage = static_cast<size_t>(value_stages_[static_cast<size_t>(id)]);
    const auto end = static_cast<size_t>(plan_.stages[stage].end_node);
    return std::any_of(graph_.nodes().begin() + static_cast<int64_t>(end), graph_.nodes().end(),
                       [&](const ir::Node& node) { return reads_value(node, id); });
  }

  [[nodiscard]] bool is_read_on(ir::ValueId id, const std::string& node, int stage) const {
    const int64_t index = node_of(node);
    return plan_.stage_of_node(index) == stage &&
           reads_value(graph_.nodes()[static_cast<size_t>(index)], id);
  }

  static bool reads_value(const ir::Node& node, ir::ValueId id) {
    return std::find(node.inputs.begin(), node.inputs.end(), id) != node.inputs.end();
  }

  const Plan& plan_;
  const ir::Graph& graph_;
  std::vector<int> value_stages_;
  std::map<std::string_view, size_t> node_by_name_;
  std::map<std::pair<ir::ValueId, int>, std::set<spec::TensorSpec>> versions_;  // per stage
  struct StepCase {
    const spec::Mesh* mesh;
    std::vector<int64_t> shape;
    spec::TensorSpec before;
    spec::ReshardStep step;
    bool is_right;
  };
  std::vector<StepCase> steps_;  // what has been asked already
};

}  // namespace

void validate(const Plan& plan, const ir::Graph& graph) {
  const std::string hash = ir::hash_of(graph);
  if (plan.graph_hash != hash) {
    refuse(str("the plan is for graph ", plan.graph_hash, ", the graph is ", hash,
               "; plan again or use the model, dtype and block size the plan was made for"));
  }
  check_caches(plan, graph);
  check_stages(plan, graph);
  if (!plan.memory.empty() && static_cast<int64_t>(plan.memory.size()) != plan.ranks()) {
    refuse(str("the plan has memory for ", plan.memory.size(), " ranks; expected ", plan.ranks()));
  }
  Checker checker(plan, graph);
  checker.check_values();
  checker.check_copies();
  checker.check_ops();
  checker.check_reshards();
}

}  // namespace partita::plan
