// SPDX-License-Identifier: Apache-2.0
// Writes the attributes of injected collectives.
#include "partition/collective_attributes.h"

#include "support/error.h"
#include "support/reduce_kind.h"

namespace partita::partition {
namespace {

using Side = std::vector<Range> StepRanges::*;

// The members' ranges of `dim` on one side of the step, relative to `origin`.
void set_pieces(ir::Attributes& attributes,
                const std::string& prefix,
                const std::vector<Range>& pieces,
                int64_t origin) {
  std::vector<int64_t> begins;
  std::vector<int64_t> ends;
  for (const Range& piece : pieces) {
    // An empty piece may lie anywhere; kernels want it inside the tensor.
    begins.push_back(piece.empty() ? 0 : piece.begin - origin);
    ends.push_back(piece.empty() ? 0 : piece.end - origin);
  }
  attributes.set(prefix + "begins", std::move(begins));
  attributes.set(prefix + "ends", std::move(ends));
}

std::vector<Range> along(const MemberRanges& ranges, Side side, int dim) {
  std::vector<Range> pieces;
  for (const StepRanges& member : ranges.members)
    pieces.push_back((member.*side)[static_cast<size_t>(dim)]);
  return pieces;
}

}  // namespace

ir::Attributes collective_attributes(const spec::ReshardStep& step,
                                     const MemberRanges& ranges,
                                     const std::string& group) {
  ir::Attributes attributes;
  const auto dim = static_cast<size_t>(step.dim);
  if (!spec::is_local(step.kind)) attributes.set("group", group);
  if (step.dim >= 0) attributes.set("dim", static_cast<int64_t>(step.dim));
  switch (step.kind) {
    case spec::ReshardKind::kSlice: {
      const int64_t origin = ranges.own.before[dim].begin;
      attributes.set("begin", ranges.own.after[dim].begin - origin);
      attributes.set("end", ranges.own.after[dim].end - origin);
      break;
    }
    case spec::ReshardKind::kAllGather:
      set_pieces(attributes, "", along(ranges, &StepRanges::before, step.dim),
                 ranges.own.after[dim].begin);
      break;
    case spec::ReshardKind::kReduceScatter:
      attributes.set("reduce", std::string(to_string(step.reduce)));
      set_pieces(attributes, "", along(ranges, &StepRanges::after, step.dim),
                 ranges.own.before[dim].begin);
      break;
    case spec::ReshardKind::kAllReduce:
      attributes.set("reduce", std::string(to_string(step.reduce)));
      break;
    case spec::ReshardKind::kPermute:
      attributes.set("sources", ranges.sources);
      break;
    case spec::ReshardKind::kTerm:
      attributes.set("position", ranges.position);
      break;
    case spec::ReshardKind::kAllToAll:
      attributes.set("from_dim", static_cast<int64_t>(step.from_dim));
      set_pieces(attributes, "", along(ranges, &StepRanges::after, step.dim),
                 ranges.own.before[dim].begin);
      set_pieces(attributes, "from_", along(ranges, &StepRanges::before, step.from_dim),
                 ranges.own.after[static_cast<size_t>(step.from_dim)].begin);
      break;
  }
  return attributes;
}

ir::Attributes recv_attributes(const std::string& group, int from, const ir::TensorType& type) {
  ir::Attributes attributes;
  attributes.set("group", group);
  attributes.set("from", static_cast<int64_t>(from));
  attributes.set("type", ir::to_string(type));
  return attributes;
}

}  // namespace partita::partition
