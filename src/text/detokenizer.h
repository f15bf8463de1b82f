// SPDX-License-Identifier: Apache-2.0
// Incremental decoding: the text of a growing sequence of tokens.
#pragma once

#include <cstdint>
#include <string>

#include "text/decoder.h"
#include "text/tokenizer.h"

namespace partita::text {

// One per sequence, owned by one thread; the tokenizer must outlive it. All results of push() and
// finish() joined are exactly Tokenizer::decode() of all ids. The work per token does not grow with
// the sequence.
//
// In files with ByteFallback a run of byte tokens is held back until it ends, because one broken
// byte turns the whole run into U+FFFD. To continue a prompt without losing the space before the
// first new word, push the prompt's ids first and drop their text.
//
//   Detokenizer detokenizer(tokenizer, /*skip_special_tokens=*/true);
//   while (next(&id)) send(detokenizer.push(id));
//   send(detokenizer.finish());
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_special_tokens = false);

  // The text that became certain: whole UTF-8 characters, maybe none. Ids without a token give
  // none.
  [[nodiscard]] std::string push(int32_t id);

  // What was held back. Call once, at the end of the sequence.
  [[nodiscard]] std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_tokens_;
  DecoderStream stream_;
};

}  // namespace partita::text
