// SPDX-License-Identifier: Apache-2.0
// The "added_tokens" of tokenizer.json: tokens that are cut out of the text before the model sees
// it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "support/json.h"
#include "text/model_bpe.h"
#include "text/normalizer.h"
#include "text/regex.h"

namespace partita::text {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  std::string spelling;      // what the decoder sees: the content, normalized if the token is
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space on its left with it
  bool rstrip = false;       // and on its right
  bool normalized = false;   // matched, in normalized form, in the normalized text
  bool special = false;      // left out when decoding with skip_special_tokens
};

// A part of a text: an added token, or text between two of them.
struct TextPart {
  ByteSpan span;
  std::optional<int32_t> token_id;
};

// Finds the longest of many strings at each position. Immutable once filled.
class TokenTrie {
 public:
  // `value` is what find() reports. Empty keys are ignored; of equal keys the first stays.
  void insert(std::string_view key, size_t value);

  struct Match {
    ByteSpan span;
    size_t value;
  };

  // The first (leftmost, then longest) match at or after `start`.
  [[nodiscard]] std::optional<Match> find(std::string_view text, size_t start) const;

 private:
  struct Node {
    std::map<char, size_t> children;
    std::optional<size_t> value;
  };
  std::vector<Node> nodes_ = std::vector<Node>(1);
};

// Immutable and thread-safe.
class AddedTokens {
 public:
  // `json` is the array of the file, or null. Throws Error(kInvalidFile) when an entry is
  // malformed, or its content or id collides with another token of `model` or of the list.
  AddedTokens(const Json& json,
              const BpeModel& model,
              const Normalizer& normalizer,
              std::string_view what);

  // Cuts raw text at the tokens that are matched before normalizing. The parts cover the text, in
  // order.
  [[nodiscard]] std::vector<TextPart> split_raw(std::string_view text) const {
    return split(raw_, text);
  }

  // Cuts normalized text at the other tokens.
  [[nodiscard]] std::vector<TextPart> split_normalized(std::string_view text) const {
    return split(normalized_, text);
  }

  [[nodiscard]] const AddedToken* find(int32_t id) const;
  [[nodiscard]] const AddedToken* find(std::string_view content) const;

  // Highest id plus one, 0 when there are none.
  [[nodiscard]] int32_t id_limit() const { return id_limit_; }

 private:
  void add(AddedToken token, const BpeModel& model, std::string_view what);
  [[nodiscard]] std::vector<TextPart> split(const TokenTrie& trie, std::string_view text) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<int32_t, size_t> by_id_;           // index in tokens_
  std::unordered_map<std::string, size_t> by_content_;  // index in tokens_
  TokenTrie raw_;
  TokenTrie normalized_;
  int32_t id_limit_ = 0;
};

}  // namespace partita::text
