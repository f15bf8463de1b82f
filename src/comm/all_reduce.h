// SPDX-License-Identifier: Apache-2.0
// How sums travel between ranks: the choices, and what every rank has put in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "support/dtype.h"

namespace partita::comm {

// The same on all ranks of a group; groups made by split() start with those of their parent. Where
// a transport reads what others wrote (local, shm), an all_reduce takes one exchange, after which
// every rank adds everything, or two: each rank adds its share, and passes it on. Both have the
// same bits.
struct AllReduceOptions {
  // The largest payload that is reduced in one exchange; negative: by the size of the group.
  int64_t one_shot_bytes = -1;
  // Sums of f32 send every rank's term rounded to bf16 (nearest, ties to even) and add in f32:
  // half the bytes, and an error of at most 2^-8 * sum over ranks of |term| beside that of the f32
  // sum. What is reduced in two exchanges travels as f32 the second time. The bits are still the
  // same on every rank and run, and for every one_shot_bytes.
  bool bf16_wire = false;
  bool operator==(const AllReduceOptions&) const = default;
};

// The terms of a sum, by rank, readable until the next call on the group.
struct Terms {
  std::span<const std::byte* const> by_rank;
  DType dtype = DType::kF32;  // f32, or bf16 on the wire
  [[nodiscard]] bool empty() const { return by_rank.empty(); }
};

// to[i] = from[i] rounded to bf16, to nearest, ties to even; a NaN stays one.
void round_to_bf16(std::span<const float> from, std::byte* to);

// out[i] = terms[0][begin + i] + terms[1][begin + i] + ..., i in [0, count), then + more[0][i], ...
// in that order, in f32. `out` may be where the elements of one f32 input begin, else it overlaps
// none.
void add_terms(const Terms& terms,
               int64_t begin,
               std::span<const float* const> more,
               std::span<float> out);

}  // namespace partita::comm
