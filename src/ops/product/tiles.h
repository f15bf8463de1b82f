// SPDX-License-Identifier: Apache-2.0
// Tiles of weights that are packed when their turn comes, divided among the threads of a team.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/parallel.h"

namespace partita::ops {

// Calls pack(tile, memory) and then run(tile, memory) for every item of `split`; each thread has
// tile_bytes of `tiles` (team_size() * tile_bytes in all) to itself.
template <typename Pack, typename Run>
void pack_and_run_tiles(
    const Split& split, std::byte* tiles, int64_t tile_bytes, const Pack& pack, const Run& run) {
  const int64_t ranges = ranges_of(split, team_size());
  parallel_for(ranges, [&](int64_t index) {
    std::byte* memory = tiles + index * tile_bytes;
    const Range range = split_range(split, index, ranges);
    for (int64_t tile = range.begin; tile < range.end; ++tile) {
      pack(tile, memory);
      run(tile, memory);
    }
  });
}

}  // namespace partita::ops
