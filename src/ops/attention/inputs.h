// SPDX-License-Identifier: Apache-2.0
// The inputs of attention, in their order.
#pragma once

#include <cstddef>

namespace partita::ops::attention {

enum Input : size_t {
  kQuery,
  kKey,
  kValue,
  kKeyCache,
  kValueCache,
  kPositions,
  kSequenceIds,
  kBlockTables,
  kInputs  // how many there are
};

}  // namespace partita::ops::attention
