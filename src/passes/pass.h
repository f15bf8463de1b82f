// SPDX-License-Identifier: Apache-2.0
// The seam of graph rewrites: a pass takes a graph and gives a new one that computes the same.
#pragma once

#include <string_view>

#include "ir/graph.h"

namespace partita::passes {

// One rewrite. Stateless and immutable, so thread-safe; the same graph gives the same result (graph
// order, no pointers). Step inputs and graph outputs keep their number, order and types; states
// keep their names.
class Pass {
 public:
  virtual ~Pass() = default;
  // snake_case, as the file that holds it; the name under which it can be switched off.
  [[nodiscard]] virtual std::string_view name() const = 0;
  // One sentence for `--help` and the reference page.
  [[nodiscard]] virtual std::string_view summary() const = 0;
  // A valid graph stays valid. Costs O(nodes) unless the pass says otherwise.
  [[nodiscard]] virtual ir::Graph run(const ir::Graph& graph) const = 0;
};

// The passes of this folder, one per file. Each lives as long as the program.
[[nodiscard]] const Pass& remove_unused_nodes();
[[nodiscard]] const Pass& merge_equal_collectives();
[[nodiscard]] const Pass& drop_identity_nodes();
// Of rank programs.
[[nodiscard]] const Pass& fuse_add_norm();
[[nodiscard]] const Pass& fuse_gated();
[[nodiscard]] const Pass& fuse_rope();
[[nodiscard]] const Pass& quantize_rows_once();
[[nodiscard]] const Pass& fuse_quantize_rows();

}  // namespace partita::passes
