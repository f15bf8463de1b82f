// SPDX-License-Identifier: Apache-2.0
#include "engine/step_size.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace partita::engine {
namespace {

// The overhead of a step in parts of a full one, where the plan predicts no times.
constexpr double kUnknownOverheadShare = 1.0 / 16;

// The largest 2^i or 3 * 2^i up to `tokens`.
int64_t round_down(int64_t tokens) {
  const auto power = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(tokens)));
  return power / 2 * 3 <= tokens && power > 1 ? power / 2 * 3 : power;
}

// The smallest such number from `tokens` on.
int64_t round_up(int64_t tokens) {
  const int64_t below = round_down(tokens);
  if (below == tokens) return below;
  const bool is_power = std::has_single_bit(static_cast<uint64_t>(below));
  return below == 1 ? 2 : is_power ? below / 2 * 3 : below / 3 * 4;
}

}  // namespace

int64_t chunk_tokens(int64_t pending, const RunnerLimits& limits) {
  if (limits.stages <= 1 || pending <= 1) return limits.max_step_tokens;
  const auto most = static_cast<double>(limits.max_step_tokens);
  const double overhead = limits.step_overhead_tokens > 0
                              ? limits.step_overhead_tokens
                              : std::max(1.0, most * kUnknownOverheadShare);
  const auto tokens = static_cast<double>(pending);
  const double steps = std::sqrt(static_cast<double>(limits.stages - 1) * tokens / overhead);
  return static_cast<int64_t>(
      std::clamp(std::ceil(tokens / std::max(1.0, std::round(steps))), 1.0, most));
}

int64_t prefill_tokens(int64_t chunk, int64_t decoding, const RunnerLimits& limits) {
  const int64_t room = limits.max_step_tokens - decoding;
  if (room <= 0) return 0;
  if (chunk >= room) return room;
  const int64_t all = decoding + chunk;
  const int64_t below = round_down(all);
  const int64_t above = round_up(all);
  const bool is_below_nearer = below * above > all * all;
  const bool is_enough = (below - decoding) * 2 >= chunk;
  return std::min((is_below_nearer && is_enough ? below : above) - decoding, room);
}

}  // namespace partita::engine
