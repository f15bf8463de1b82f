// SPDX-License-Identifier: Apache-2.0
// Says in an error which node of a program it came from.
#pragma once

#include "ir/graph.h"
#include "support/error.h"

namespace partita::runtime {

// Runs `work`; an Error it throws gets the node's name and op in front and keeps its code.
template <typename Work>
void with_node_context(const ir::Node& node, const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    throw Error(error.code(),
                str("[runtime] node \"", node.name, "\" (", node.op, "): ", error.what()));
  }
}

}  // namespace partita::runtime
