// SPDX-License-Identifier: Apache-2.0
// Rotary positions on vectors: what rope and attention rotate heads with.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/types.h"
#include "ops/vector/row_kernels_cpu.h"

namespace partita::ops {

// Radians per position of each rotated pair, in f32 as the checkpoints were trained:
// theta^(-2i / rotary_dim), then the scaling of rope_type. For attributes that check_rope() takes.
[[nodiscard]] std::vector<float> rope_frequencies(const ir::Attributes& attributes,
                                                  int64_t head_dim);

// The rotation of heads of `head_dim` elements. Immutable; thread-safe; allocates when constructed
// only.
class Rotation {
 public:
  Rotation(const ir::Attributes& attributes, int64_t head_dim, device::Instructions level);

  // Those of one token: cosines, then sines.
  [[nodiscard]] int64_t angle_floats() const {
    return static_cast<int64_t>(2 * frequencies_.size());
  }
  void make_angles(int64_t position, float* angles) const;
  // Heads [heads, head_dim] of one token; `to` may be `from`.
  void rotate(const float* from, int64_t heads, const float* angles, float* to) const;

 private:
  const RowKernels* kernels_;
  std::vector<float> frequencies_;
  int64_t head_dim_;
};

}  // namespace partita::ops
