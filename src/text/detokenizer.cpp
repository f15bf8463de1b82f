// SPDX-License-Identifier: Apache-2.0
// Feeds the spelling of tokens into a decoder stream.
#include "text/detokenizer.h"

namespace partita::text {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool skip_special_tokens)
    : tokenizer_(tokenizer),
      skip_special_tokens_(skip_special_tokens),
      stream_(tokenizer.decoder_stream()) {}

std::string Detokenizer::push(int32_t id) {
  const auto token = tokenizer_.token(id);
  if (!token || (skip_special_tokens_ && tokenizer_.is_special(id))) return {};
  return stream_.push(*token);
}

std::string Detokenizer::finish() { return stream_.finish(); }

}  // namespace partita::text
