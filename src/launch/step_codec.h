// SPDX-License-Identifier: Apache-2.0
// Bytes of a step on the control channel.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/step_runner.h"

namespace partita::launch {

// Little endian: the counts t, s, m, r as i64, then the arrays in the order of StepBatch as i32.
[[nodiscard]] std::vector<std::byte> encode(const engine::StepBatch& batch);
// Throws kInvalidFile when the sizes do not agree with the number of bytes.
[[nodiscard]] engine::StepBatch decode_batch(std::span<const std::byte> bytes);

// What one rank says of a step.
struct RankResult {
  engine::RankSpan span;  // its rank does not cross the channel, which knows it
  std::vector<float> logits;
};
// The numbers of the span as f64, then the logits as f32.
[[nodiscard]] std::vector<std::byte> encode_result(const engine::RankSpan& span,
                                                   std::span<const float> logits);
[[nodiscard]] RankResult decode_result(std::span<const std::byte> bytes);

}  // namespace partita::launch
