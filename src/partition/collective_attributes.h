// SPDX-License-Identifier: Apache-2.0
// Attributes of injected collectives: what ops/collective must know about the pieces of a group.
#pragma once

#include <string>
#include <vector>

#include "ir/types.h"
#include "spec/reshard.h"
#include "support/range.h"

namespace partita::partition {

// Global ranges, per dim, of what a rank holds before and after a step.
struct StepRanges {
  std::vector<Range> before;
  std::vector<Range> after;
};

struct MemberRanges {
  StepRanges own;
  std::vector<StepRanges> members;  // of all ranks of the group, in group order; own included
  int64_t position = 0;             // of the own rank in the group
  std::vector<int64_t> sources;     // spec::permute_sources() of a kPermute
};

// begins/ends = the pieces of the members along the step's dim, counted from the begin of the
// tensor that holds all of them (the output of a gather, the input of a scatter);
// from_begins/from_ends likewise along from_dim. A slice and a term get no group.
[[nodiscard]] ir::Attributes collective_attributes(const spec::ReshardStep& step,
                                                   const MemberRanges& ranges,
                                                   const std::string& group);

[[nodiscard]] ir::Attributes recv_attributes(const std::string& group,
                                             int from,
                                             const ir::TensorType& type);

}  // namespace partita::partition
