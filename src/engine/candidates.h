// SPDX-License-Identifier: Apache-2.0
// The likeliest next tokens, which most ways of sampling never look beyond.
#pragma once

#include <cstdint>
#include <span>

namespace partita::engine {

// Of one row of logits, or of several one after the other: the likelier first and of equal ones the
// lower id; NaN counts as infinity. Borrowed.
struct Candidates {
  std::span<const float> logits;
  std::span<const int32_t> tokens;
};

}  // namespace partita::engine
