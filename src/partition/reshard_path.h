// SPDX-License-Identifier: Apache-2.0
// The collectives that turn one spec of a value into another: the plan's own paths, or the cheapest
// when it lists none.
#pragma once

#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "partition/plan_index.h"
#include "spec/mesh.h"
#include "spec/reshard.h"

namespace partita::partition {

// What is asked: `value`, which lies as `from`, is read as `to` by the node `consumer` ("" = a
// graph output or another stage).
struct ReshardRequest {
  ir::ValueId value = ir::kNoId;
  const spec::TensorSpec& from;
  const spec::TensorSpec& to;
  std::string_view consumer;
};

// The steps that the plan lists for the stage, exactly: one reshard that ends in `to`, preferably
// one that names the consumer, preceded by earlier ones when it does not begin at `from`. Without
// such a list the cheapest path by bytes moved. Empty for equal specs. Throws kInvalidArgument
// naming the value when there is no path, or when a listed spec does not fit the mesh.
[[nodiscard]] spec::ReshardPath reshard_path(const PlanIndex& index,
                                             int stage,
                                             const ReshardRequest& request);

}  // namespace partita::partition
