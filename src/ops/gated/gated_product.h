// SPDX-License-Identifier: Apache-2.0
// The pattern that passes fuse and plans price: a product that takes an activation into itself.
#pragma once

#include "ir/graph.h"
#include "ir/sole_readers.h"

namespace partita::ops {

// Borrows the graph. Thread-safe after construction.
class GatedProducts {
 public:
  explicit GatedProducts(const ir::Graph& graph);

  // The activation of a factor of `product` that nothing else reads, where `gated` can compute
  // both: a mul of f32 values of one type. kNoId where there is none.
  [[nodiscard]] ir::NodeId activation_of(const ir::Node& product) const;

 private:
  const ir::Graph& graph_;
  ir::SoleReaders sole_;
};

}  // namespace partita::ops
