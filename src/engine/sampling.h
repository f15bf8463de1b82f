// SPDX-License-Identifier: Apache-2.0
// From logits to a token: greedy and random choice, the same for every plan and after every
// restart.
#pragma once

#include <cstdint>
#include <span>

#include "engine/candidates.h"

namespace partita::engine {

// How to choose tokens. Filters apply in this order: repetition penalty, temperature, top-k, top-p.
struct SamplingParams {
  double temperature = 0;  // 0 = greedy; else > 0
  int64_t top_k = 0;       // keep the k most likely tokens; 0 = all
  double top_p = 1;        // keep the smallest set with this probability, in (0, 1]
  double repetition_penalty =
      1;  // > 0; divides positive and multiplies negative logits of tokens already present
  uint64_t seed = 0;
};

// Throws kInvalidArgument naming the value and its range.
void validate(const SamplingParams& params);

// The next token. `logits` [vocab]; `history` = prompt and emitted tokens; `index` = number of
// tokens emitted before, which together with the seed fixes the random number. Equal logits: the
// lowest id wins. Throws kRankFailed for NaN and +inf, and when all are -inf (-inf = never).
[[nodiscard]] int32_t sample(std::span<const float> logits,
                             std::span<const int32_t> history,
                             const SamplingParams& params,
                             uint64_t index);

// True where sample() with these parameters never looks beyond the first `candidates` of a
// vocabulary of so many tokens.
[[nodiscard]] bool candidates_suffice(const SamplingParams& params,
                                      int64_t candidates,
                                      int64_t vocab_size);

// The same token, and the same errors, from the candidates of a row, where they suffice.
[[nodiscard]] int32_t sample(const Candidates& candidates,
                             const SamplingParams& params,
                             uint64_t index);

}  // namespace partita::engine
