// SPDX-License-Identifier: Apache-2.0
// Byte pair encoding as tokenizer.json defines it: byte-level and byte-fallback vocabularies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/tokenizer_file.h"

namespace partita::text {

// Immutable and thread-safe.
class BpeModel {
 public:
  // Takes the vocabulary and the merges out of `file`. Throws Error(kInvalidFile) for ids out of
  // range, tokens or ids that occur twice and merges of unknown tokens; Error(kUnsupported) for
  // dropout.
  BpeModel(TokenizerFile& file, std::string_view what);

  // Appends the token ids of `piece` (valid UTF-8). O(n log n) for n characters. Characters without
  // token become byte tokens, else the unknown token, else nothing, as the file says.
  void encode(std::string_view piece, std::vector<int32_t>& ids) const;

  [[nodiscard]] std::optional<int32_t> token_to_id(std::string_view token) const;

  // The token's text; it lives as long as the model. Nothing for an id without token.
  [[nodiscard]] std::optional<std::string_view> id_to_token(int32_t id) const;

  // Highest id plus one.
  [[nodiscard]] int32_t id_limit() const { return id_limit_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  struct Merge {
    int32_t rank;
    int32_t id;
  };

  void read_vocab(const TokenizerFile& file, std::string_view what);
  void read_options(const Json& model, std::string_view what);
  void read_merges(const TokenizerFile& file, std::string_view what);
  [[nodiscard]] int32_t merged_token(std::string_view token,
                                     size_t rank,
                                     std::string_view what) const;
  [[nodiscard]] const Merge* find_merge(int32_t left, int32_t right) const;
  [[nodiscard]] std::vector<int32_t> initial_symbols(std::string_view piece) const;
  [[nodiscard]] bool append_byte_tokens(std::string_view character,
                                        std::vector<int32_t>& ids) const;
  void merge_all(const std::vector<int32_t>& symbols, std::vector<int32_t>& ids) const;

  std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> ids_;
  std::unordered_map<int32_t, std::string_view> tokens_;  // views of the keys of ids_
  std::unordered_map<uint64_t, Merge> merges_;            // key: left id << 32 | right id
  int32_t id_limit_ = 0;
  std::optional<int32_t> unknown_id_;
  std::string continuing_prefix_;
  std::string word_suffix_;
  bool fuse_unknown_ = false;
  bool byte_fallback_ = false;
  bool ignore_merges_ = false;
};

}  // namespace partita::text
