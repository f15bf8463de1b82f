// SPDX-License-Identifier: Apache-2.0
// Reads tokenizer.json: the large vocabulary and merge list apart from the small rest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/json.h"

namespace partita::text {

// The content of tokenizer.json. A vocabulary of 256k tokens as a Json object would cost quadratic
// time, because Json keeps its keys in order and searches them linearly.
struct TokenizerFile {
  Json root;  // the whole file without model.vocab and model.merges
  std::vector<std::pair<std::string, int64_t>> vocab;  // as written; ids are not checked
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<int32_t> merge_ranks;  // of the merges, the lowest first; empty = as they stand
  bool has_vocab = false;
  bool has_merges = false;
  bool vocab_is_list = false;  // a Unigram vocabulary; `vocab` stays empty then
};

// Parses `text`. Throws Error(kInvalidFile) naming `what` for malformed JSON, keys that occur twice
// (except in the vocabulary, which its reader checks), nesting deeper than 256 and malformed
// vocabularies or merges.
[[nodiscard]] TokenizerFile parse_tokenizer_file(std::string_view text, std::string_view what);

}  // namespace partita::text
