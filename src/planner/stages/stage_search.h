// SPDX-License-Identifier: Apache-2.0
// The inter-op decision: which consecutive nodes run on which consecutive devices, by dynamic
// programming over both.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "ir/graph.h"
#include "support/range.h"

namespace partita::planner {

// Seconds of one request in the given nodes as one stage; infinite when they do not fit.
class StagePrice {
 public:
  virtual ~StagePrice() = default;
  [[nodiscard]] virtual double seconds(Range nodes) const = 0;
};

// A stage that may be formed: the devices at [its begin, end) of the order, in some shape.
struct Block {
  int end = 0;
  const StagePrice* price = nullptr;  // borrowed
  int shape = 0;                      // for the caller
};

// What the stages are chosen from.
struct StageChoices {
  std::span<const int64_t> borders;  // allowed cuts: before these nodes; 0 first, all nodes last
  std::vector<std::vector<Block>> blocks;  // per device: those that begin with it
  // Per device and border: handing over to the stage that begins with this device at that border.
  std::vector<std::vector<double>> handover_seconds;
};

enum class StageObjective {
  kLatency,  // least time of one request through all stages; of nearly equal ones the balanced one
  kSlowest,  // the slowest stage is fastest; of equal ones the least sum
};

struct ChosenStage {
  int begin = 0;  // its first device
  Block block;
  Range nodes;
};

struct ChosenStages {
  std::vector<ChosenStage> stages;
  double sum_seconds = 0;      // with all handovers
  double slowest_seconds = 0;  // a stage and what it hands over
};

// The best stages that use every device and every node, each stage at least one border range.
// Nothing when none fits. Costs O(borders^2 * blocks), independent of the number of stages.
[[nodiscard]] std::optional<ChosenStages> search_stages(const StageChoices& choices,
                                                        StageObjective objective);

// Borders at the changes of layers and, unless the graph has very many, wherever as few results
// cross as there (between attention and feed-forward); at every node when layers are too few for
// `stages`, or when a small graph has fewer than four per stage, so that stages of few layers still
// balance. Ends included.
[[nodiscard]] std::vector<int64_t> cut_borders(const ir::Graph& graph, int stages);

}  // namespace partita::planner
