// SPDX-License-Identifier: Apache-2.0
// Limits with what the compiler makes of plain loops.
#include "api/bench/limit_loops.h"

#include <cstring>

namespace partita::api {
namespace {

constexpr int kLanes = 32;

uint64_t read(const std::byte* data, int64_t bytes) {
  uint64_t seen[8] = {};  // NOLINT: nothing that could be code of another file
  for (int64_t at = 0; at < bytes; at += 64) {
    uint64_t words[8];  // NOLINT
    std::memcpy(words, data + at, sizeof(words));
    for (int i = 0; i < 8; ++i) seen[i] |= words[i];
  }
  for (int i = 1; i < 8; ++i) seen[0] |= seen[i];
  return seen[0];
}

float run_f32(int64_t turns) {
  const volatile float hidden = 0.5F;
  const float factor = hidden;
  float sums[kLanes];  // NOLINT
  for (int i = 0; i < kLanes; ++i) sums[i] = static_cast<float>(i);
  for (int64_t turn = 0; turn < turns; ++turn) {
    for (float& sum : sums) sum = sum * factor + factor;
  }
  for (int i = 1; i < kLanes; ++i) sums[0] += sums[i];
  return sums[0];
}

constexpr LimitLoops kLoops = {read, {2.0 * kLanes, run_f32}, {0, nullptr}, {0, nullptr}};

}  // namespace

const LimitLoops& limit_loops_portable() { return kLoops; }

}  // namespace partita::api
