// SPDX-License-Identifier: Apache-2.0
// Writes a StepBatch, sequence by sequence.
#pragma once

#include <cstdint>
#include <span>

#include "engine/step_runner.h"

namespace partita::engine {

// Appends what is at positions [begin, end) of a sequence with these `tokens` as the next row of
// the batch. Asks for no logits.
void add_row(std::span<const int32_t> tokens, int64_t begin, int64_t end, StepBatch& batch);

// rows[i] = the cache blocks of row i, in order of positions.
void set_block_tables(std::span<const std::span<const int32_t>> rows, StepBatch& batch);

}  // namespace partita::engine
