// SPDX-License-Identifier: Apache-2.0
// What the planner reads off a graph once, whatever the mesh: kinds of nodes, uses of values, cuts.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "planner/cut_classes.h"
#include "planner/pins/pinned_graph.h"
#include "spec/notation.h"

namespace partita::planner {

// Nodes of one kind have the same op, attributes, types, weights and cuts, hence the same
// strategies and costs; identical layers share them. They need not get the same strategy.
struct NodeKind {
  ir::NodeId example = ir::kNoId;
  spec::Notation notation;
  std::vector<CutMember> factor_cuts;
  // Per input: a weight of two or more dims or a state, which shall be sharded where it can. A
  // table that is only looked up may stay whole: its shards save memory, but no time.
  std::vector<bool> shard_input;
  bool keep_whole = false;         // reads a weight that the user wants whole on every rank
  std::vector<PinCondition> pins;  // on the strategy
  // A product that takes an activation into itself: its operator, and whether this is the latter.
  std::string activation;
  bool joins_product = false;
  bool joins_norm = false;  // adds to a stream whose norm may take the addition into itself
};

// A node reading a value; node == kNoId: the value is an output of the graph.
struct Use {
  ir::NodeId node = ir::kNoId;
  int slot = 0;
};

// Borrows the graph. Thread-safe after construction.
class GraphFacts {
 public:
  // `keep_whole` = names of weights. `sends_shared`: of several stages that read a weight only the
  // first one stores it. Throws kInvalidArgument when one is not a weight of the graph, and for
  // pins that do not fit it.
  GraphFacts(const ir::Graph& graph,
             std::span<const std::string> keep_whole,
             std::vector<Pin> pins = {},
             bool sends_shared = false);

  [[nodiscard]] const ir::Graph& graph() const { return graph_; }
  [[nodiscard]] const PinnedGraph& pins() const { return pins_; }
  [[nodiscard]] int node_count() const { return static_cast<int>(graph_.nodes().size()); }
  [[nodiscard]] const std::vector<NodeKind>& kinds() const { return kinds_; }
  [[nodiscard]] int kind_of(ir::NodeId node) const { return kind_of_[static_cast<size_t>(node)]; }
  // Values of one type share an index.
  [[nodiscard]] int type_of(ir::ValueId value) const {
    return type_of_[static_cast<size_t>(value)];
  }
  [[nodiscard]] const ir::TensorType& type(int index) const {
    return *types_[static_cast<size_t>(index)];
  }
  // In execution order, graph outputs last.
  [[nodiscard]] const std::vector<Use>& uses_of(ir::ValueId value) const {
    return uses_[static_cast<size_t>(value)];
  }
  // Whether stages behind the first one that reads this weight are sent it, whole and at every
  // step. Weights that are stored in blocks are not: messages and sums have plain elements.
  [[nodiscard]] bool is_sent(ir::ValueId value) const;
  // Whether it would be, if shared weights were sent.
  [[nodiscard]] bool may_be_sent(ir::ValueId value) const;
  // The same graph and pins, with shared weights sent.
  [[nodiscard]] GraphFacts sending_shared() const;

 private:
  void index_types();
  void index_uses();
  void index_kinds(std::span<const std::string> keep_whole);
  [[nodiscard]] bool shall_be_sharded(ir::ValueId input,
                                      const spec::Notation& notation,
                                      size_t slot) const;
  [[nodiscard]] bool joins_norm(const ir::Node& node) const;

  const ir::Graph& graph_;
  PinnedGraph pins_;
  bool sends_shared_ = false;
  std::vector<NodeKind> kinds_;
  std::vector<int> kind_of_;
  std::vector<int> type_of_;
  std::vector<const ir::TensorType*> types_;
  std::vector<std::vector<Use>> uses_;
};

// True for weights that a reader may turn into terms of a sum (the whole on one rank, zeros on the
// others): biases. A matrix would be copied at every step for it.
[[nodiscard]] inline bool may_be_term(const ir::Value& value) {
  return value.kind == ir::ValueKind::kWeight && value.type.dims.size() < 2;
}

}  // namespace partita::planner
