// SPDX-License-Identifier: Apache-2.0
// The team of threads of a rank: the one way in which kernels use more than one core.
//
// The team is OpenMP's, the one that oneDNN computes with, so that a rank never has two teams. Its
// size belongs to the calling thread and is set by whoever starts the rank (api::take_cores()).
// Its threads spin for some milliseconds after a loop before they sleep, which is what makes the
// next loop start in about a microsecond; that is right as long as ranks x threads <= cores. With
// more, set OMP_WAIT_POLICY=passive for the processes, or give every rank one thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "support/range.h"

namespace partita::ops {

// Threads that a loop of the calling thread may use; 1 inside of a loop.
[[nodiscard]] int team_size();

namespace internal {
// Calls run(body, part) for every part in [0, parts), on the team unless parts < 2.
void run_on_team(int64_t parts, void (*run)(const void* body, int64_t part), const void* body);
}  // namespace internal

// Calls function(part) once for each part in [0, parts) and returns when all are done. Thread i of
// T takes the contiguous parts [i * parts / T, (i + 1) * parts / T). Serial, without any
// synchronisation, for one part or a team of one. The function must not throw. No allocation.
template <typename Function>
void parallel_for(int64_t parts, const Function& function) {
  internal::run_on_team(
      parts, [](const void* body, int64_t part) { (*static_cast<const Function*>(body))(part); },
      &function);
}

// Work on items (rows of a weight, tokens) that threads share in contiguous ranges. Memory is read
// at full speed only in long runs (two threads that alternate in pieces of 4 KiB get 0.4 of it, of
// 64 KiB 0.8, of 1 MiB all), and a loop on the team costs 1-2 us, so a thread gets at least
// `least_bytes`.
struct Split {
  int64_t items = 0;
  int64_t bytes_per_item = 1;  // memory traffic of one, or what costs as much
  int64_t multiple = 1;        // ranges begin at multiples of this
  int64_t least_bytes = int64_t{1} << 20;
};

// How many ranges split_range() makes of it for a team of that size: 0 for no items.
[[nodiscard]] inline int64_t ranges_of(const Split& split, int64_t threads) {
  if (split.items <= 0) return 0;
  const int64_t tiles = (split.items + split.multiple - 1) / split.multiple;
  const int64_t worth = split.items * split.bytes_per_item / split.least_bytes;
  return std::clamp<int64_t>(worth, 1, std::min(tiles, std::max<int64_t>(threads, 1)));
}

// Range `index` of `ranges`, as even as the multiple allows; possibly empty.
[[nodiscard]] inline Range split_range(const Split& split, int64_t index, int64_t ranges) {
  const int64_t tiles = (split.items + split.multiple - 1) / split.multiple;
  const auto bound = [&](int64_t i) {
    return std::min(split.items, tiles * i / ranges * split.multiple);
  };
  return {bound(index), bound(index + 1)};
}

// Calls function(Range) for each range of the items, on the team where there is enough work.
template <typename Function>
void parallel_ranges(const Split& split, const Function& function) {
  const int64_t ranges = ranges_of(split, team_size());
  parallel_for(ranges, [&](int64_t index) { function(split_range(split, index, ranges)); });
}

}  // namespace partita::ops
