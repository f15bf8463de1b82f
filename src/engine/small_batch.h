// SPDX-License-Identifier: Apache-2.0
// For tests: the smallest step.
#pragma once

#include <cstdint>

#include "engine/step_runner.h"

namespace partita::engine {

// The first token of one sequence, whose logits are asked for.
inline StepBatch batch_of(int32_t token) {
  return {.token_ids = {token},
          .positions = {0},
          .sequence_ids = {0},
          .block_tables = {0},
          .sequences = 1,
          .blocks_per_sequence = 1,
          .logit_rows = {0}};
}

}  // namespace partita::engine
