// SPDX-License-Identifier: Apache-2.0
// Reading, checking and finding added tokens.
#include "text/added_tokens.h"

#include <algorithm>

#include "support/error.h"
#include "text/component.h"
#include "text/unicode.h"

namespace partita::text {
namespace {

bool starts_with_word(std::string_view text) {
  size_t at = 0;
  return !text.empty() && is_word(next_code_point(text, at));
}

// Start of the last character of non-empty `text`.
size_t last_character(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && starts_with_word(text.substr(last_character(text)));
}

bool is_space_at(std::string_view text, size_t at) {
  return is_white_space(next_code_point(text, at));
}

// Number of bytes of white space at the end of `text`.
size_t space_at_end(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    const size_t at = last_character(text.substr(0, end));
    if (!is_space_at(text, at)) break;
    end = at;
  }
  return text.size() - end;
}

size_t space_at_start(std::string_view text) {
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    if (!is_white_space(next_code_point(text, at))) break;
    end = at;
  }
  return end;
}

bool stands_alone(std::string_view text, const ByteSpan& span) {
  return !ends_with_word(text.substr(0, span.begin)) && !starts_with_word(text.substr(span.end));
}

AddedToken read_token(const Json& json, std::string_view what) {
  AddedToken token;
  token.id = json_token_id(json, "id", what);
  token.content = json_get<std::string>(json, "content", what);
  token.single_word = json_get_or<bool>(json, "single_word", false, what);
  token.lstrip = json_get_or<bool>(json, "lstrip", false, what);
  token.rstrip = json_get_or<bool>(json, "rstrip", false, what);
  token.special = json_get_or<bool>(json, "special", false, what);
  token.normalized = json_get_or<bool>(json, "normalized", !token.special, what);
  return token;
}

}  // namespace

void TokenTrie::insert(std::string_view key, size_t value) {
  if (key.empty()) return;
  size_t node = 0;
  for (const char byte : key) {
    const auto [child, is_new] = nodes_[node].children.emplace(byte, nodes_.size());
    node = child->second;
    if (is_new) nodes_.emplace_back();
  }
  if (!nodes_[node].value) nodes_[node].value = value;
}

std::optional<TokenTrie::Match> TokenTrie::find(std::string_view text, size_t start) const {
  for (size_t begin = start; begin < text.size(); ++begin) {
    std::optional<Match> longest;
    size_t node = 0;
    for (size_t at = begin; at < text.size(); ++at) {
      const auto child = nodes_[node].children.find(text[at]);
      if (child == nodes_[node].children.end()) break;
      node = child->second;
      if (nodes_[node].value) longest = Match{{begin, at + 1}, *nodes_[node].value};
    }
    if (longest) return longest;
  }
  return std::nullopt;
}

AddedTokens::AddedTokens(const Json& json,
                         const BpeModel& model,
                         const Normalizer& normalizer,
                         std::string_view what) {
  if (json.is_null()) return;
  if (!json.is_array()) {
    throw Error(ErrorCode::kInvalidFile,
                str("[tokenizer] ", what, ": 'added_tokens' is not an array but ", json.type_name(),
                    "; download the file again"));
  }
  for (const Json& item : json) add(read_token(item, what), model, what);
  for (size_t i = 0; i < tokens_.size(); ++i) {
    AddedToken& token = tokens_[i];
    token.spelling = token.normalized ? normalizer.apply(token.content) : token.content;
    (token.normalized ? normalized_ : raw_).insert(token.spelling, i);
  }
}

void AddedTokens::add(AddedToken token, const BpeModel& model, std::string_view what) {
  const auto in_model = model.token_to_id(token.content);
  const auto model_token = model.id_to_token(token.id);
  const bool moved = in_model && *in_model != token.id;
  const bool taken = model_token && *model_token != token.content;
  if (moved || taken || by_id_.contains(token.id) || by_content_.contains(token.content)) {
    throw Error(
        ErrorCode::kInvalidFile,
        str("[tokenizer] ", what, ": the added token '", token.content, "' with the id ", token.id,
            " collides with another token of that text or id; every token needs its own"));
  }
  id_limit_ = std::max(id_limit_, token.id + 1);
  by_id_.emplace(token.id, tokens_.size());
  by_content_.emplace(token.content, tokens_.size());
  tokens_.push_back(std::move(token));
}

std::vector<TextPart> AddedTokens::split(const TokenTrie& trie, std::string_view text) const {
  std::vector<TextPart> parts;
  size_t done = 0;
  for (auto match = trie.find(text, 0); match; match = trie.find(text, match->span.end)) {
    const AddedToken& token = tokens_[match->value];
    if (token.single_word && !stands_alone(text, match->span)) continue;
    ByteSpan span = match->span;
    // White space that the token before has taken already is not taken again.
    if (token.lstrip)
      span.begin = std::max(done, span.begin - space_at_end(text.substr(0, span.begin)));
    if (token.rstrip) span.end += space_at_start(text.substr(span.end));
    if (done < span.begin) parts.push_back({{done, span.begin}, std::nullopt});
    parts.push_back({span, token.id});
    done = span.end;
  }
  if (done < text.size()) parts.push_back({{done, text.size()}, std::nullopt});
  return parts;
}

const AddedToken* AddedTokens::find(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second];
}

const AddedToken* AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(std::string(content));
  return found == by_content_.end() ? nullptr : &tokens_[found->second];
}

}  // namespace partita::text
