// SPDX-License-Identifier: Apache-2.0
// Where dims may be cut, decided for all dims that belong together, so that the pieces of
// neighbouring ops agree.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ir/graph.h"
#include "spec/notation.h"
#include "support/range.h"

namespace partita::planner {

// How a factor of a node (or a dim) hangs on its class of `units` common units. The unit range
// [a,b) is the range [floor(a / divide) * multiply, ceil(b / divide) * multiply) of the factor.
// Example: in a model with 32 heads of 128 on 8 KV heads the class of the heads has 32 units; the
// output of q_proj has multiply 128, that of k_proj multiply 128 and divide 4.
struct CutMember {
  int64_t units = 1;
  int64_t multiply = 1;
  int64_t divide = 1;
  int64_t group = 1;  // largest `divide` in the class: cutting between groups makes no overlap
  bool operator==(const CutMember&) const = default;
  auto operator<=>(const CutMember&) const = default;
};

// The pieces of a member over axes of the given sizes (major first), nested: level by level a range
// is cut between groups while there are at least as many groups as pieces, else between units;
// evenly, the longer pieces first. Units fewer than pieces leave empty pieces. 6 KV heads over 4
// ranks: 2,2,1,1. With `shares`, one per position, each level is cut so that the longest piece for
// its share is as short as can be: 9 units over shares 2, 1 are 6,3.
[[nodiscard]] std::vector<Range> pieces_of(const CutMember& member,
                                           std::span<const int64_t> axis_sizes,
                                           std::span<const double> shares = {});

// Joins all dims and factors that share an index through the notations of the nodes, and finds the
// coarsest unit that all of them can be cut at. Relations that have none (lengths that are no
// multiples of each other) are not joined: there the planner pays a reshard. Thread-safe after
// construction. Costs O(nodes).
class CutClasses {
 public:
  // notations[i] belongs to node i of the graph; they are only read during construction.
  CutClasses(const ir::Graph& graph, std::span<const spec::Notation* const> notations);

  [[nodiscard]] const CutMember& of_factor(ir::NodeId node, int factor) const {
    return members_[static_cast<size_t>(first_factor_[static_cast<size_t>(node)] + factor)];
  }
  [[nodiscard]] const CutMember& of_dim(ir::ValueId value, int dim) const {
    return members_[static_cast<size_t>(first_dim_[static_cast<size_t>(value)] + dim)];
  }

 private:
  std::vector<int64_t> first_dim_;     // per value: index of its dim 0 in members_
  std::vector<int64_t> first_factor_;  // per node: index of its factor 0 in members_
  std::vector<CutMember> members_;
};

}  // namespace partita::planner
