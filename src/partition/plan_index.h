// SPDX-License-Identifier: Apache-2.0
// A plan, looked up by the ids of its graph instead of by names.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "plan/plan.h"

namespace partita::partition {

// A value of the graph that a stage needs from an earlier one: a result, or a weight that the plan
// has sent.
struct Transfer {
  int to_stage = 0;
  // A weight comes when a node of the receiving stage asks for it first, so that it takes no room
  // before; everything else before the stage's first node.
  ir::NodeId before_node = ir::kNoId;
  int from_stage = 0;
  ir::ValueId value = ir::kNoId;
  auto operator<=>(const Transfer&) const = default;
};

// Borrows graph and plan. Immutable after construction, so thread-safe.
class PlanIndex {
 public:
  // Throws kInvalidArgument when the stages do not cover the nodes in order, use a rank twice, or
  // share a state.
  PlanIndex(const ir::Graph& graph, const plan::Plan& plan);

  [[nodiscard]] const ir::Graph& graph() const { return graph_; }
  [[nodiscard]] const plan::Plan& plan() const { return plan_; }
  [[nodiscard]] int stage_count() const { return static_cast<int>(plan_.stages.size()); }

  // What the plan lists about a value on a stage, or about a node; null when it lists nothing. A
  // weight that several stages store has a spec on each; on stages of equal axes it lies as on the
  // first one unless listed otherwise.
  [[nodiscard]] const spec::TensorSpec* spec_of(ir::ValueId value, int stage) const;
  [[nodiscard]] const plan::OpDecision* decision_of(ir::NodeId node) const;
  // The reshards of a value on the mesh of `stage`, in the order of the plan.
  [[nodiscard]] std::vector<const plan::ReshardDecision*> reshards_of(ir::ValueId value,
                                                                      int stage) const;

  // Stage of the first node that reads the value, or that produces it; kNoId when no node uses it.
  [[nodiscard]] int home_stage(ir::ValueId value) const;
  // All values that cross stages. Every rank handles messages in this order, receives before sends:
  // one global order, so that no two ranks ever wait for each other. A rank that computes between
  // two receives only waits for earlier stages, which have sent all that it needs until then.
  [[nodiscard]] const std::vector<Transfer>& transfers() const { return transfers_; }

 private:
  void check_stages() const;
  void index_names();
  void index_stages();

  const ir::Graph& graph_;
  const plan::Plan& plan_;
  std::vector<const spec::TensorSpec*> specs_;  // by value, on its home stage
  std::map<std::pair<ir::ValueId, int>, const spec::TensorSpec*> copies_;
  std::set<std::pair<ir::ValueId, int>> sent_;  // weights and the stages that are sent them
  std::vector<std::vector<const plan::ReshardDecision*>> reshards_;  // by value
  std::vector<const plan::OpDecision*> decisions_;                   // by node
  std::vector<int> home_stage_;                                      // by value
  std::vector<Transfer> transfers_;                                  // sorted
};

}  // namespace partita::partition
