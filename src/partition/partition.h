// SPDX-License-Identifier: Apache-2.0
// From graph and plan to what each rank executes.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "plan/plan.h"
#include "support/range.h"

namespace partita::partition {

// A set of ranks that talk to each other. All ranks create all groups in this order
// (Communicator::split).
struct Group {
  std::string name;        // "0,1,2,3": the ranks, also the value of the node attribute "group"
  std::vector<int> ranks;  // ascending position order of the collective
};

// What a rank holds of a weight: the global range of every dim.
struct WeightPiece {
  std::string name;
  std::vector<Range> ranges;
  bool operator==(const WeightPiece&) const = default;
};

// One rank's program: the graph with local shapes, its stage's nodes only, injected collectives,
// send/recv at stage borders, rewritten by passes::run_rank_pipeline(). Weights keep their global
// names; their source expressions are sliced to the rank's ranges, so that evaluating them reads
// only the rank's bytes. Step inputs that the stage does not use are absent.
struct RankProgram {
  int rank = 0;
  int stage = 0;
  ir::Graph graph;
  std::vector<WeightPiece> weights;  // in the order of the graph
  bool has_logits =
      false;  // this rank returns the graph outputs of the step (first rank of the last stage)
};

// The groups that all programs of the plan use, in creation order.
[[nodiscard]] std::vector<Group> groups_of(const ir::Graph& graph, const plan::Plan& plan);

// The program of one rank. Deterministic; costs O(nodes). Throws kInvalidArgument when the plan
// contradicts the graph.
[[nodiscard]] RankProgram partition_rank(const ir::Graph& graph, const plan::Plan& plan, int rank);

}  // namespace partita::partition
