// SPDX-License-Identifier: Apache-2.0
// Bytes of a step on the control channel.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "engine/candidates.h"
#include "engine/step_runner.h"
#include "launch/channel.h"

namespace partita::launch {

// Little endian: the counts t, s, m, r and whole_logits (0, 1) as i64, then the arrays in the order
// of StepBatch as i32. `out` is overwritten and keeps its memory, so that steps allocate nothing.
void encode(const engine::StepBatch& batch, std::vector<std::byte>& out);
// The same for `batch`. Throws kInvalidFile when the sizes do not agree with the number of bytes.
void decode_batch(std::span<const std::byte> bytes, engine::StepBatch& batch);

// What one rank says of a step: a head, the numbers of its span as f64 and the number of candidates
// as i64; then candidates as f32 and i32, and logits as f32, which travel from where they lie.
inline constexpr size_t kResultHeadBytes = 4 * sizeof(double) + sizeof(int64_t);
[[nodiscard]] std::array<std::byte, kResultHeadBytes> encode_result_head(
    const engine::RankSpan& span, const engine::Candidates& candidates = {});
// Borrows all of it.
[[nodiscard]] OutgoingFrame result_frame(std::span<const std::byte> head,
                                         std::span<const float> logits,
                                         const engine::Candidates& candidates = {});
struct RankResult {
  engine::RankSpan span;  // its rank does not cross the channel, which knows it
  // Of whole elements; borrowed.
  std::span<const std::byte> candidate_logits;
  std::span<const std::byte> candidate_tokens;
  std::span<const std::byte> logits;
};
[[nodiscard]] RankResult decode_result(std::span<const std::byte> bytes);

}  // namespace partita::launch
