// SPDX-License-Identifier: Apache-2.0
// Bytes of a step on the control channel.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "engine/step_runner.h"

namespace partita::launch {

// Little endian: the counts t, s, m, r as i64, then the arrays in the order of StepBatch as i32.
// `out` is overwritten and keeps its memory, so that steps allocate nothing.
void encode(const engine::StepBatch& batch, std::vector<std::byte>& out);
// The same for `batch`. Throws kInvalidFile when the sizes do not agree with the number of bytes.
void decode_batch(std::span<const std::byte> bytes, engine::StepBatch& batch);

// What one rank says of a step: the numbers of its span as f64, then its logits as f32, which
// travel from where they lie.
inline constexpr size_t kSpanBytes = 4 * sizeof(double);
[[nodiscard]] std::array<std::byte, kSpanBytes> encode_span(const engine::RankSpan& span);
struct RankResult {
  engine::RankSpan span;              // its rank does not cross the channel, which knows it
  std::span<const std::byte> logits;  // of whole f32; borrowed
};
[[nodiscard]] RankResult decode_result(std::span<const std::byte> bytes);

}  // namespace partita::launch
