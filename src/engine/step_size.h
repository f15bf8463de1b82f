// SPDX-License-Identifier: Apache-2.0
// How many tokens of prompts a step takes, so that all stages of a pipeline are busy.
#pragma once

#include <cstdint>

#include "engine/step_runner.h"

namespace partita::engine {

// Tokens of a step while `pending` tokens of prompts wait. m equal steps of c = pending / m tokens
// go through k stages in (m + k - 1) * (a + c), where a is the overhead of a step: few long steps
// leave stages idle at the begin and the end, many short ones pay their overhead again and again.
// The least is at m = sqrt((k - 1) * pending / a). One stage takes all at once. In 1 ..
// max_step_tokens.
[[nodiscard]] int64_t chunk_tokens(int64_t pending, const RunnerLimits& limits);

// Tokens of prompts that a step takes beside `decoding` tokens: about `chunk`, so that their sum is
// 2^i or 3 * 2^i where that is possible; kernels compute the rows up to such a number anyway. May
// be 0 when the decoding tokens leave no room.
[[nodiscard]] int64_t prefill_tokens(int64_t chunk, int64_t decoding, const RunnerLimits& limits);

}  // namespace partita::engine
