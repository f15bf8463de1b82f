// SPDX-License-Identifier: Apache-2.0
#include "engine/batch_rows.h"

#include <algorithm>

#include "support/error.h"

namespace partita::engine {

void add_row(std::span<const int32_t> tokens, int64_t begin, int64_t end, StepBatch& batch) {
  const auto row = static_cast<int32_t>(batch.sequences++);
  for (int64_t position = begin; position < end; ++position) {
    batch.token_ids.push_back(tokens[static_cast<size_t>(position)]);
    batch.positions.push_back(static_cast<int32_t>(position));
    batch.sequence_ids.push_back(row);
  }
}

void set_block_tables(std::span<const std::span<const int32_t>> rows, StepBatch& batch) {
  CHECK(static_cast<int64_t>(rows.size()) == batch.sequences, rows.size(), " rows");
  size_t width = 0;
  for (const auto blocks : rows) width = std::max(width, blocks.size());
  batch.blocks_per_sequence = static_cast<int64_t>(width);
  batch.block_tables.assign(rows.size() * width, -1);
  auto table = batch.block_tables.begin();
  for (const auto blocks : rows) {
    std::ranges::copy(blocks, table);
    table += batch.blocks_per_sequence;
  }
}

}  // namespace partita::engine
