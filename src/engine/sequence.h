// SPDX-License-Identifier: Apache-2.0
// One request in flight: its tokens, its place in the KV cache and its text stream.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/block_pool.h"
#include "engine/request.h"
#include "engine/stop_strings.h"
#include "text/detokenizer.h"

namespace partita::engine {

// Everything that is needed to go on after losing all ranks is `tokens`: prompt and emitted tokens.
struct Sequence {
  // `tokenizer` may be null: then there are tokens, but no text.
  Sequence(int64_t request_id, Request user_request, const text::Tokenizer* tokenizer)
      : id(request_id),
        request(std::move(user_request)),
        tokens(request.prompt),
        stops(request.stop) {
    if (tokenizer == nullptr) return;
    detokenizer.emplace(*tokenizer, /*skip_special_tokens=*/true);
    // The decoder must have seen the prompt: some strip the space only at the very beginning.
    for (const int32_t token : request.prompt) (void)detokenizer->push(token);
  }

  int64_t id;
  Request request;
  std::vector<int32_t> tokens;  // prompt, then emitted
  int64_t cached = 0;           // tokens whose keys and values are in the cache
  int64_t planned = 0;          // the same when all steps in flight are back
  int64_t steps_in_flight = 0;
  bool preempted = false;       // gives its blocks back when its steps are back
  std::vector<int32_t> blocks;  // cache blocks, in order of positions
  BlockRun kept_blocks;         // where the next ones shall be
  std::optional<text::Detokenizer> detokenizer;
  StopStrings stops;
  FinishReason finish = FinishReason::kNone;

  [[nodiscard]] int64_t length() const { return static_cast<int64_t>(tokens.size()); }
  [[nodiscard]] int64_t emitted() const {
    return length() - static_cast<int64_t>(request.prompt.size());
  }
  [[nodiscard]] bool has_ended() const { return finish != FinishReason::kNone; }
  // Everything but the last token is cached or under way.
  [[nodiscard]] bool is_decoding() const { return planned >= length() - 1; }
  // Its next token is under way; there is nothing to compute until it is back.
  [[nodiscard]] bool awaits_token() const { return planned == length(); }
};

}  // namespace partita::engine
