// SPDX-License-Identifier: Apache-2.0
// What stages hand to each other, and how long that takes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cost/profile.h"
#include "planner/graph_facts.h"
#include "planner/phases.h"

namespace partita::planner {

// A result that is read by a node, or by the caller of the graph; or a weight that stages send on.
struct ResultRead {
  ir::ValueId value = ir::kNoId;
  int64_t made = 0;  // by this node; of a weight its first reader
  int64_t read = 0;  // by this node, or the number of nodes for outputs of the graph
};
[[nodiscard]] std::vector<ResultRead> reads_of_results(const GraphFacts& facts);

// How messages go from a stage to a later one. Device i of the receiving stage gets them from
// device i mod n of the sending one, so a small stage sends to a large one several times over.
struct Handover {
  cost::Profile profile;  // with the link between both as axis pp
  int64_t messages = 1;   // per value and sending device
};

// Seconds of handing one value over, whole.
[[nodiscard]] PhaseSeconds handover_seconds(const ir::TensorType& type,
                                            const Handover& handover,
                                            const Phases& phases);

// Per border (a cut before that node) the seconds of one request for handing over every value that
// is made before and read after it. O(reads + nodes).
[[nodiscard]] std::vector<double> border_seconds(const GraphFacts& facts,
                                                 const Phases& phases,
                                                 const Handover& handover,
                                                 std::span<const int64_t> borders);

}  // namespace partita::planner
