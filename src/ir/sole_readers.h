// SPDX-License-Identifier: Apache-2.0
// Results that one node alone reads: what rewrites may take into that node.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace partita::ir {

// Borrows the graph, which must not change. Thread-safe after construction.
class SoleReaders {
 public:
  explicit SoleReaders(const Graph& graph);

  // The node that makes the value, where another node reads it once and nobody else does, not the
  // caller of the graph either; else kNoId.
  [[nodiscard]] NodeId producer_of(ValueId value) const;

 private:
  const Graph& graph_;
  std::vector<bool> is_sole_;  // by value
};

}  // namespace partita::ir
