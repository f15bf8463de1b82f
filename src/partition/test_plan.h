// SPDX-License-Identifier: Apache-2.0
// Plans for tests: any chosen strategies, completed to what a planner would have written.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "ops/op.h"
#include "plan/plan.h"
#include "spec/random_spec.h"
#include "spec/strategy.h"
#include "support/error.h"

namespace partita::partition {

// Chooses the strategy of a node on its mesh.
using ChooseStrategy = std::function<spec::Strategy(
    const ir::Node& node, const spec::Notation& notation, const spec::Mesh& mesh)>;

// Fills a plan node by node: specs of values as they come out, a listed reshard wherever a
// reader needs another spec.
class TestPlanner {
 public:
  TestPlanner(const ir::Graph& graph, std::vector<plan::Stage> stages, ChooseStrategy choose)
      : graph_(graph), choose_(std::move(choose)) {
    plan_.graph_hash = ir::hash_of(graph);
    plan_.model = graph.name();
    plan_.stages = std::move(stages);
    int64_t ranks = 0;
    for (const plan::Stage& stage : plan_.stages) ranks += stage.mesh.size();
    plan_.mesh = spec::Mesh({{"ranks", ranks}});
  }

  plan::Plan make() {
    for (stage_ = 0; stage_ < static_cast<int>(plan_.stages.size()); ++stage_) plan_stage(stage_);
    for (const ir::Value& value : graph_.values()) {
      const auto found = homes_.find(*graph_.find_value(value.name));
      if (found != homes_.end() && value.kind != ir::ValueKind::kInput) {
        plan_.values.emplace_back(value.name, found->second.spec);
      }
    }
    return plan_;
  }

  // The strategies that were chosen, by node.
  [[nodiscard]] const std::vector<spec::Strategy>& strategies() const { return strategies_; }

 private:
  void plan_stage(int index) {
    const plan::Stage& stage = plan_.stages[static_cast<size_t>(index)];
    std::map<ir::ValueId, spec::TensorSpec> here;  // where each value lies first in this stage
    for (int64_t id = stage.first_node; id < stage.end_node; ++id) {
      const ir::Node& node = graph_.nodes()[static_cast<size_t>(id)];
      const spec::Strategy strategy = possible_strategy(node, stage.mesh, here);
      for (size_t i = 0; i < node.inputs.size(); ++i)
        read(node, node.inputs[i], strategy.inputs[i], stage.mesh, here);
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        here[node.outputs[i]] = strategy.outputs[i];
        homes_[node.outputs[i]] = {strategy.outputs[i], stage_};
      }
      plan_.ops.push_back({node.name, strategy.axis_factor, {}});
      strategies_.push_back(strategy);
    }
  }

  // A Partial that a value does not have cannot be made: then the next choice must do, in the end
  // the replicated one.
  spec::Strategy possible_strategy(const ir::Node& node,
                                   const spec::Mesh& mesh,
                                   const std::map<ir::ValueId, spec::TensorSpec>& here) {
    const spec::Notation notation = ops::notation_of(graph_, node);
    for (int attempt = 0; attempt < 8; ++attempt) {
      spec::Strategy strategy = choose_(node, notation, mesh);
      bool possible = true;
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        possible = possible && path(node.inputs[i], lying(node.inputs[i], strategy.inputs[i], here),
                                    strategy.inputs[i], mesh);
      }
      if (possible) return strategy;
    }
    return spec::make_strategy(notation, mesh,
                               std::vector<int>(static_cast<size_t>(mesh.axis_count()), -1));
  }

  spec::TensorSpec lying(ir::ValueId id,
                         const spec::TensorSpec& required,
                         const std::map<ir::ValueId, spec::TensorSpec>& here) const {
    const auto found = here.find(id);
    if (found != here.end()) return found->second;
    const ir::Value& value = graph_.value(id);
    const bool is_stored =
        value.kind == ir::ValueKind::kWeight || value.kind == ir::ValueKind::kState;
    if (!is_stored) return spec::TensorSpec::replicated(static_cast<int>(value.type.dims.size()));
    spec::TensorSpec stored = required;
    stored.partials.clear();
    return stored;
  }

  void read(const ir::Node& node,
            ir::ValueId id,
            const spec::TensorSpec& required,
            const spec::Mesh& mesh,
            std::map<ir::ValueId, spec::TensorSpec>& here) {
    const spec::TensorSpec from = lying(id, required, here);
    const bool is_first_here = here.emplace(id, from).second;
    const bool is_later =
        !homes_.emplace(id, Home{from, stage_}).second && homes_.at(id).stage != stage_;
    if (is_first_here && is_later && graph_.value(id).kind == ir::ValueKind::kWeight) {
      plan_.copies.push_back({graph_.value(id).name, stage_, from});
    }
    if (from == required) return;
    auto steps = path(id, from, required, mesh);
    CHECK(steps.has_value(), "the chosen strategy needs a reshard that does not exist");
    plan::ReshardDecision decision;
    decision.value = graph_.value(id).name;
    decision.from = from;
    decision.to = required;
    decision.steps = std::move(*steps);
    decision.consumers = {node.name};
    if (is_later) decision.stage = stage_;
    plan_.reshards.push_back(std::move(decision));
  }

  std::optional<spec::ReshardPath> path(ir::ValueId id,
                                        const spec::TensorSpec& from,
                                        const spec::TensorSpec& to,
                                        const spec::Mesh& mesh) const {
    std::vector<int64_t> shape = graph_.value(id).type.shape();
    for (int64_t& size : shape) size = size < 0 ? -8 : size;
    const auto cost = [](const spec::StepShape& step) {
      return spec::is_local(step.kind) ? 0.1 : 1.0 + static_cast<double>(step.elements_in);
    };
    auto found = spec::cheapest_path(from, to, shape, mesh, cost);
    if (!found) return std::nullopt;
    return std::move(found->steps);
  }

  const ir::Graph& graph_;
  ChooseStrategy choose_;
  plan::Plan plan_;
  struct Home {
    spec::TensorSpec spec;
    int stage = 0;
  };
  std::map<ir::ValueId, Home> homes_;  // in the first stage that uses the value
  int stage_ = 0;
  std::vector<spec::Strategy> strategies_;
};

// One stage of all nodes over ranks 0, 1, ....
inline std::vector<plan::Stage> one_stage(const ir::Graph& graph, const std::string& mesh) {
  return {{0, static_cast<int64_t>(graph.nodes().size()), spec::Mesh::parse(mesh)}};
}

// Splits the named factor of each named node over the first axis; other nodes are replicated, or
// pass partial sums through. Example: {{"up", "n"}, {"down", "k"}}.
inline ChooseStrategy split_factors(std::map<std::string, std::string> factors) {
  return [factors = std::move(factors)](const ir::Node& node, const spec::Notation& notation,
                                        const spec::Mesh& mesh) {
    std::vector<int> choice(static_cast<size_t>(mesh.axis_count()), spec::Strategy::kNone);
    const auto named = factors.find(node.name);
    for (size_t i = 0; named != factors.end() && i < notation.factors.size(); ++i) {
      if (notation.factors[i].name == named->second) choice[0] = static_cast<int>(i);
    }
    return spec::make_strategy(notation, mesh, choice);
  };
}

// Any derived strategy with the same chance, half of them with uneven and empty pieces. `random`
// must outlive the result.
inline ChooseStrategy random_strategies(std::mt19937& random) {
  return [&random](const ir::Node&, const spec::Notation& notation, const spec::Mesh& mesh) {
    std::map<std::pair<int, std::vector<int>>, std::vector<Range>> pieces;
    const bool uneven = random() % 2 == 0;
    const spec::PiecesOf pieces_of = [&](int factor, std::span<const int> axes) {
      std::vector<Range>& known = pieces[{factor, {axes.begin(), axes.end()}}];
      const int64_t size = notation.factors[static_cast<size_t>(factor)].size;
      std::vector<int64_t> sizes;
      for (const int axis : axes) sizes.push_back(mesh.size_of({&axis, 1}));
      if (known.empty()) {
        known = uneven ? spec::random_pieces(size, mesh.size_of(axes), false, random)
                       : spec::balanced_pieces(size, sizes);
      }
      return known;
    };
    std::vector<spec::Strategy> all = spec::derive_strategies(notation, mesh, pieces_of);
    return all[random() % all.size()];
  };
}

}  // namespace partita::partition
