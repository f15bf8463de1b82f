// SPDX-License-Identifier: Apache-2.0
// The choice of strategies for consecutive nodes as a problem for a solver.
#pragma once

#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "planner/plan_space.h"
#include "planner/solvers/solver.h"
#include "support/range.h"

namespace partita::planner {

// Specs that are decided outside of the stage: weights that other stages read too.
using PinnedSpecs = std::map<ir::ValueId, SpecId>;

// Variables: one per node (its strategies), one per value with several readers (the spec it is
// given to them in, so that a reshard they share is paid once), one per weight or state with
// several readers (the spec it is stored in). Edges: the price of the reshard between producer,
// layout and reader. Weights are only ever sliced; states must lie as all their readers ask. Step
// inputs and values of earlier stages come replicated; outputs of the graph and values for later
// stages leave replicated.
class StageProblem {
 public:
  StageProblem(PlanSpace& space, Range nodes, const PinnedSpecs& pinned);

  [[nodiscard]] Problem& problem() { return problem_; }
  [[nodiscard]] Range nodes() const { return nodes_; }
  // A value whose producer, layout and readers have no choice left that goes together: pins
  // contradict each other there. Nothing = not seen from one edge alone.
  [[nodiscard]] std::optional<ir::ValueId> contradiction() const { return contradiction_; }

  // The option of a node of the stage in a solution's choice.
  [[nodiscard]] const StrategyOption& option(const std::vector<int>& choice, ir::NodeId node) const;
  // The spec of the layout variable of a value, if it has one.
  [[nodiscard]] std::optional<SpecId> layout(const std::vector<int>& choice,
                                             ir::ValueId value) const;
  // The spec that a weight or state of the stage is stored in.
  [[nodiscard]] SpecId stored_spec(const std::vector<int>& choice, ir::ValueId value) const;

  // Readers of a value within the stage, and whether it is needed outside as well.
  struct LocalUses {
    std::vector<Use> readers;
    bool is_needed_outside = false;
  };
  [[nodiscard]] LocalUses uses_of(ir::ValueId value) const;
  // A weight that an earlier stage sends, which this one does not store.
  [[nodiscard]] bool is_sent_here(ir::ValueId value) const;
  // Weights and states that the stage reads, in the order of the graph.
  [[nodiscard]] const std::vector<ir::ValueId>& stored_values() const { return stored_; }

 private:
  enum class EdgeRule { kReshard, kLocal, kSliceOnly, kEqual };
  using SpecList = std::vector<SpecId>;

  void add_node_variables();
  void add_stored_value(ir::ValueId value);
  void add_result(ir::ValueId value);
  void add_received_value(ir::ValueId value);
  void add_layout(ir::ValueId value, const LocalUses& uses, const SpecList& candidates);
  void add_stored_for(const Use& reader, ir::ValueId value, EdgeRule rule);
  [[nodiscard]] SpecList stored_forms(SpecList specs);
  void add_bytes(int variable, const SpecList& specs, ir::ValueId value);
  void add_unary(int variable, const SpecList& from, const SpecList& to, ir::ValueId value);
  void add_edge(int first, int second, int table);
  void note_contradiction(const std::vector<Cost>& costs, ir::ValueId value);
  int table_of(const SpecList& from, const SpecList& to, ir::ValueId value, EdgeRule rule);
  [[nodiscard]] Cost edge_cost(SpecId from, SpecId to, ir::ValueId value, EdgeRule rule);
  [[nodiscard]] int variable_of(ir::NodeId node) const {
    return static_cast<int>(node - nodes_.begin);
  }
  [[nodiscard]] SpecList input_specs(const Use& use) const;
  [[nodiscard]] SpecList output_specs(ir::ValueId value) const;

  PlanSpace& space_;
  Range nodes_;
  const PinnedSpecs& pinned_;
  Problem problem_;
  std::vector<ir::ValueId> stored_;
  std::optional<ir::ValueId> contradiction_;
  struct Layout {
    int variable = 0;
    SpecList specs;
  };
  std::map<ir::ValueId, Layout> layouts_;
  std::map<SpecList, int> list_ids_;
  std::map<std::tuple<int, int, int, EdgeRule>, int> tables_;  // lists, type, rule -> table
};

}  // namespace partita::planner
