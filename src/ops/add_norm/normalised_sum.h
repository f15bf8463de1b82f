// SPDX-License-Identifier: Apache-2.0
// The pattern that passes fuse and plans price: a sum that a norm reads first.
#pragma once

#include "ir/graph.h"

namespace partita::ops {

// True where `reader`, the first node that reads what `add` makes, is a norm that can take the
// addition into itself: both are f32 over values of one type. What reads the sum later may be
// anything.
[[nodiscard]] bool is_normalised_sum(const ir::Graph& graph,
                                     const ir::Node& add,
                                     const ir::Node& reader);

}  // namespace partita::ops
