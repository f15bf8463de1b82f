// SPDX-License-Identifier: Apache-2.0
// What a user asks for, and what comes back token by token.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sampling.h"

namespace partita::engine {

enum class FinishReason : uint8_t { kNone, kEndOfText, kStopString, kLength, kCancelled };

// "", "eos", "stop", "length", "cancelled".
[[nodiscard]] std::string_view to_string(FinishReason reason);

// One new token, in order. `text` is what became certain with it: possibly empty, never half a
// character, never part of a stop string. The last event of a request has finish != kNone; its
// token is -1 when no token belongs to it (cancelled).
struct TokenEvent {
  int64_t request = 0;
  int32_t token = -1;
  std::string text;
  FinishReason finish = FinishReason::kNone;
};

struct Request {
  std::vector<int32_t> prompt;  // token ids, at least one
  int64_t max_tokens = 128;     // most tokens to generate, >= 1
  SamplingParams sampling;
  std::vector<std::string> stop;    // generation ends before the first of these; none may be empty
  bool ignore_end_of_text = false;  // go on after an end-of-text token
  // Both are called on the engine's thread, inside step(). What they throw comes out of that step()
  // once it is complete; the request goes on. They may call submit() and cancel(), not step().
  std::function<void(const TokenEvent&)> on_token;
  std::function<void(const std::vector<float>&)> on_logits;  // [vocab_size], before on_token
};

// Throws kInvalidArgument for what no model can do whatever the prompt is: bad sampling values,
// max_tokens < 1, an empty stop string, stop strings without a tokenizer.
void validate(const Request& request, bool has_tokenizer);

}  // namespace partita::engine
