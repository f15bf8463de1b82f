// SPDX-License-Identifier: Apache-2.0
// The known pre-tokenizer types, one maker each.
#include "text/pre_tokenizer.h"

#include <array>
#include <optional>

#include "text/byte_alphabet.h"
#include "text/component.h"
#include "text/pattern.h"
#include "text/unicode.h"

namespace partita::text {
namespace {

using Steps = std::vector<PreTokenizer::Step>;
using Maker = void (*)(const Json&, std::string_view, Steps&);

// The split of GPT-2: contractions, then words, numbers and symbols each with one leading space.
constexpr std::string_view kByteLevelRegex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kDefaultMetaspace = "\xE2\x96\x81";  // U+2581

void append_pieces(const Piece& piece,
                   const std::vector<ByteSpan>& spans,
                   std::vector<Piece>& out) {
  for (const ByteSpan& span : spans) {
    out.push_back(
        {piece.text.substr(span.begin, span.end - span.begin), piece.at_start && span.begin == 0});
  }
}

void add_byte_level(const Json& json, std::string_view what, Steps& steps) {
  if (json_get_or<bool>(json, "add_prefix_space", true, what)) {
    steps.emplace_back([](const Piece& piece, std::vector<Piece>& out) {
      out.push_back({(piece.text.starts_with(' ') ? "" : " ") + piece.text, piece.at_start});
    });
  }
  if (json_get_or<bool>(json, "use_regex", true, what)) {
    const Pattern pattern = Pattern::regex(kByteLevelRegex, what);
    steps.emplace_back([pattern](const Piece& piece, std::vector<Piece>& out) {
      const auto matches = pattern.find_all(piece.text);
      append_pieces(piece, split_at(matches, piece.text.size(), SplitBehavior::kIsolated), out);
    });
  }
  steps.emplace_back([](const Piece& piece, std::vector<Piece>& out) {
    out.push_back({bytes_to_characters(piece.text), piece.at_start});
  });
}

void add_split(const Json& json, std::string_view what, Steps& steps) {
  const Pattern pattern = Pattern::from_json(json_member(json, "pattern", what), what);
  const auto behavior = split_behavior_from(json_get<std::string>(json, "behavior", what), what);
  const bool invert = json_get_or<bool>(json, "invert", false, what);
  steps.emplace_back([pattern, behavior, invert](const Piece& piece, std::vector<Piece>& out) {
    append_pieces(piece,
                  split_at(pattern.find_all(piece.text), piece.text.size(), behavior, invert), out);
  });
}

void add_character_split(bool (*has_property)(char32_t), SplitBehavior behavior, Steps& steps) {
  steps.emplace_back([has_property, behavior](const Piece& piece, std::vector<Piece>& out) {
    const auto matches = find_characters(piece.text, has_property);
    append_pieces(piece, split_at(matches, piece.text.size(), behavior), out);
  });
}

void add_digits(const Json& json, std::string_view what, Steps& steps) {
  const bool individual = json_get_or<bool>(json, "individual_digits", false, what);
  add_character_split(is_numeric,
                      individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous, steps);
}

void add_punctuation(const Json& json, std::string_view what, Steps& steps) {
  const auto behavior = json_get_or<std::string>(json, "behavior", "Isolated", what);
  add_character_split(is_punctuation, split_behavior_from(behavior, what), steps);
}

bool is_symbol(char32_t code_point) { return !is_word(code_point) && !is_white_space(code_point); }

// Runs of word characters and runs of other visible characters; white space goes away.
void add_whitespace(const Json&, std::string_view, Steps& steps) {
  add_character_split(is_white_space, SplitBehavior::kRemoved, steps);
  add_character_split(is_symbol, SplitBehavior::kContiguous, steps);
}

void add_whitespace_split(const Json&, std::string_view, Steps& steps) {
  add_character_split(is_white_space, SplitBehavior::kRemoved, steps);
}

enum class PrependScheme { kAlways, kFirst, kNever };

PrependScheme prepend_scheme_of(const Json& json, std::string_view what) {
  constexpr std::array<NamedMaker<PrependScheme>, 3> kSchemes = {
      {{"always", PrependScheme::kAlways},
       {"first", PrependScheme::kFirst},
       {"never", PrependScheme::kNever}}};
  // Files before 2023 have add_prefix_space instead of prepend_scheme.
  const bool add_prefix = json_get_or<bool>(json, "add_prefix_space", true, what);
  const auto scheme =
      json_get_or<std::string>(json, "prepend_scheme", add_prefix ? "always" : "never", what);
  return find_maker(kSchemes, what, "prepend_scheme", scheme);
}

void add_metaspace(const Json& json, std::string_view what, Steps& steps) {
  const std::string replacement = json_character(json, "replacement", kDefaultMetaspace, what);
  const PrependScheme scheme = prepend_scheme_of(json, what);
  const bool split = json_get_or<bool>(json, "split", true, what);
  const Pattern space = Pattern::literal(" ", what);
  const Pattern mark = Pattern::literal(replacement, what);
  steps.emplace_back([=](const Piece& piece, std::vector<Piece>& out) {
    Piece marked{space.replace_all(piece.text, replacement), piece.at_start};
    const bool wanted =
        scheme == PrependScheme::kAlways || (scheme == PrependScheme::kFirst && piece.at_start);
    if (wanted && !marked.text.starts_with(replacement)) marked.text.insert(0, replacement);
    if (!split) return out.push_back(std::move(marked));
    const auto matches = mark.find_all(marked.text);
    append_pieces(marked, split_at(matches, marked.text.size(), SplitBehavior::kMergedWithNext),
                  out);
  });
}

void add_sequence(const Json& json, std::string_view what, Steps& steps);

constexpr std::array<NamedMaker<Maker>, 8> kMakers = {{{"ByteLevel", add_byte_level},
                                                       {"Split", add_split},
                                                       {"Digits", add_digits},
                                                       {"Punctuation", add_punctuation},
                                                       {"Whitespace", add_whitespace},
                                                       {"WhitespaceSplit", add_whitespace_split},
                                                       {"Metaspace", add_metaspace},
                                                       {"Sequence", add_sequence}}};

void add_component(const Json& json, std::string_view what, Steps& steps) {
  if (json.is_null()) return;
  const auto type = json_get<std::string>(json, "type", what);
  find_maker(kMakers, what, "pre_tokenizer", type)(json, what, steps);
}

void add_sequence(const Json& json, std::string_view what, Steps& steps) {
  for (const Json& item : json_array(json, "pretokenizers", what)) add_component(item, what, steps);
}

}  // namespace

PreTokenizer PreTokenizer::from_json(const Json& json, std::string_view what) {
  PreTokenizer pre_tokenizer;
  add_component(json, what, pre_tokenizer.steps_);
  return pre_tokenizer;
}

std::vector<Piece> PreTokenizer::apply(Piece piece) const {
  std::vector<Piece> pieces;
  if (!piece.text.empty()) pieces.push_back(std::move(piece));
  for (const Step& step : steps_) {
    std::vector<Piece> next;
    next.reserve(pieces.size());
    for (const Piece& item : pieces) step(item, next);
    pieces = std::move(next);
  }
  return pieces;
}

}  // namespace partita::text
