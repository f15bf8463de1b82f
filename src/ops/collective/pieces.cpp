// SPDX-License-Identifier: Apache-2.0
// Reads the pieces of a collective from its attributes.
#include "ops/collective/pieces.h"

#include <algorithm>
#include <string>

#include "support/error.h"

namespace partita::ops {

std::vector<Range> pieces_of(const ir::Attributes& attributes,
                             std::string_view prefix,
                             std::string_view op) {
  const std::string begins_name = str(prefix, "begins");
  const std::string ends_name = str(prefix, "ends");
  const std::vector<int64_t>& begins = attributes.integers(begins_name);
  const std::vector<int64_t>& ends = attributes.integers(ends_name);
  if (begins.size() != ends.size() || begins.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[ops] ", op, ": ", begins.size(), " ", begins_name, " and ", ends.size(), " ",
                    ends_name, "; expected one of each per rank of the group"));
  }
  std::vector<Range> pieces;
  for (size_t i = 0; i < begins.size(); ++i) {
    pieces.push_back({begins[i], ends[i]});
    if (begins[i] < 0 || ends[i] < begins[i]) {
      throw Error(ErrorCode::kInvalidArgument, str("[ops] ", op, ": piece ", i, " is ", pieces[i],
                                                   "; expected 0 <= begin <= end"));
    }
  }
  return pieces;
}

int64_t covered_size(std::span<const Range> pieces) {
  int64_t size = 0;
  for (const Range& piece : pieces) {
    if (!piece.empty()) size = std::max(size, piece.end);
  }
  return size;
}

int64_t largest_size(std::span<const Range> pieces) {
  int64_t size = 0;
  for (const Range& piece : pieces) size = std::max(size, piece.size());
  return size;
}

}  // namespace partita::ops
