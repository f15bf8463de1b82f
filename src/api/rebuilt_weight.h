// SPDX-License-Identifier: Apache-2.0
// A whole weight as an expression over the pieces that ranks hold.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ir/weight_source.h"
#include "support/range.h"

namespace partita::api {

// One stored piece of a weight.
struct StoredPiece {
  std::string tensor;         // its name in the checkpoint of parts
  std::vector<Range> ranges;  // global, per dim
};

// The weight of `shape` put together from pieces (which may overlap, repeat or be empty; the first
// wins). Nothing when they do not cover it. Pieces must lie on a grid: the ranges of one dim repeat
// for all ranges of the others.
[[nodiscard]] std::optional<ir::WeightSource> rebuilt_weight(
    const std::vector<int64_t>& shape, const std::vector<StoredPiece>& pieces);

}  // namespace partita::api
