// SPDX-License-Identifier: Apache-2.0
// Attributes of collectives that say which range of a dim each rank of the group holds.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ir/types.h"
#include "support/range.h"

namespace partita::ops {

// The half-open ranges [begins[r], ends[r]) of the ranks r = 0, 1, ... of the group: uneven, empty
// or overlapping as the plan decided. `prefix` is "" or "from_". Throws kInvalidArgument naming
// `op` when the lists differ in length or a range is bad.
[[nodiscard]] std::vector<Range> pieces_of(const ir::Attributes& attributes,
                                           std::string_view prefix,
                                           std::string_view op);

// One past the last index of any piece: the size of the dim that the pieces cover.
[[nodiscard]] int64_t covered_size(std::span<const Range> pieces);
// The size of the largest piece.
[[nodiscard]] int64_t largest_size(std::span<const Range> pieces);

}  // namespace partita::ops
