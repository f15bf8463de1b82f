// SPDX-License-Identifier: Apache-2.0
// Matching and splitting; the rules for the behaviors follow the tokenizer.json format.
#include "text/pattern.h"

#include <algorithm>
#include <array>

#include "support/error.h"
#include "text/component.h"
#include "text/unicode.h"

namespace partita::text {
namespace {

// A piece of the text that is either a delimiter or the text between two of them.
struct Segment {
  ByteSpan span;
  bool is_delimiter;
};

std::vector<Segment> cover(const std::vector<ByteSpan>& delimiters, size_t size, bool invert) {
  std::vector<Segment> segments;
  size_t at = 0;
  for (const ByteSpan& delimiter : delimiters) {
    if (at < delimiter.begin) segments.push_back({{at, delimiter.begin}, invert});
    segments.push_back({delimiter, !invert});
    at = delimiter.end;
  }
  if (at < size) segments.push_back({{at, size}, invert});
  return segments;
}

std::vector<ByteSpan> without_delimiters(const std::vector<Segment>& segments) {
  std::vector<ByteSpan> pieces;
  for (const Segment& segment : segments) {
    if (!segment.is_delimiter) pieces.push_back(segment.span);
  }
  return pieces;
}

std::vector<ByteSpan> all_spans(const std::vector<Segment>& segments) {
  std::vector<ByteSpan> pieces;
  pieces.reserve(segments.size());
  for (const Segment& segment : segments) pieces.push_back(segment.span);
  return pieces;
}

// Runs of segments of the same kind become one piece.
std::vector<ByteSpan> contiguous(const std::vector<Segment>& segments) {
  std::vector<ByteSpan> pieces;
  bool previous = false;
  for (const Segment& segment : segments) {
    if (segment.is_delimiter == previous && !pieces.empty()) {
      pieces.back().end = segment.span.end;
    } else {
      pieces.push_back(segment.span);
    }
    previous = segment.is_delimiter;
  }
  return pieces;
}

// The first delimiter of a run joins the piece before it; the others stand alone.
std::vector<ByteSpan> merged_with_previous(const std::vector<Segment>& segments) {
  std::vector<ByteSpan> pieces;
  bool previous = false;
  for (const Segment& segment : segments) {
    if (segment.is_delimiter && !previous && !pieces.empty()) {
      pieces.back().end = segment.span.end;
    } else {
      pieces.push_back(segment.span);
    }
    previous = segment.is_delimiter;
  }
  return pieces;
}

// The mirror image: the last delimiter of a run joins the piece behind it.
std::vector<ByteSpan> merged_with_next(const std::vector<Segment>& segments) {
  std::vector<ByteSpan> pieces;
  bool following = false;
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    if (segment->is_delimiter && !following && !pieces.empty()) {
      pieces.back().begin = segment->span.begin;
    } else {
      pieces.push_back(segment->span);
    }
    following = segment->is_delimiter;
  }
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

std::vector<ByteSpan> pieces_of(const std::vector<Segment>& segments, SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::kRemoved:
      return without_delimiters(segments);
    case SplitBehavior::kIsolated:
      return all_spans(segments);
    case SplitBehavior::kMergedWithPrevious:
      return merged_with_previous(segments);
    case SplitBehavior::kMergedWithNext:
      return merged_with_next(segments);
    case SplitBehavior::kContiguous:
      return contiguous(segments);
  }
  CHECK(false, "split behavior ", static_cast<int>(behavior));
  return {};
}

}  // namespace

Pattern Pattern::from_json(const Json& json, std::string_view what) {
  if (json.is_object() && json.size() == 1 && json.begin()->is_string()) {
    const auto text = json.begin()->get<std::string>();
    if (json.begin().key() == "String") return literal(text, what);
    if (json.begin().key() == "Regex") return regex(text, what);
  }
  throw Error(
      ErrorCode::kInvalidFile,
      str("[tokenizer] ", what, R"(: a pattern is not {"String": "..."} or {"Regex": "..."} but )",
          json.dump(), "; download the file again"));
}

Pattern Pattern::literal(std::string_view text, std::string_view what) {
  if (text.empty()) return regex("", what);
  Pattern pattern;
  pattern.literal_ = text;
  return pattern;
}

Pattern Pattern::regex(std::string_view expression, std::string_view what) {
  Pattern pattern;
  pattern.regex_.emplace(expression, what);
  return pattern;
}

std::vector<ByteSpan> Pattern::find_all(std::string_view text) const {
  if (regex_) return regex_->find_all(text);
  std::vector<ByteSpan> spans;
  size_t at = text.find(literal_);
  while (at != std::string_view::npos) {
    spans.push_back({at, at + literal_.size()});
    at = text.find(literal_, at + literal_.size());
  }
  return spans;
}

std::string Pattern::replace_all(std::string_view text, std::string_view content) const {
  std::string out;
  size_t at = 0;
  for (const ByteSpan& match : find_all(text)) {
    out += text.substr(at, match.begin - at);
    out += content;
    at = match.end;
  }
  return out += text.substr(at);
}

SplitBehavior split_behavior_from(std::string_view name, std::string_view what) {
  constexpr std::array<NamedMaker<SplitBehavior>, 5> kBehaviors = {
      {{"Removed", SplitBehavior::kRemoved},
       {"Isolated", SplitBehavior::kIsolated},
       {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
       {"MergedWithNext", SplitBehavior::kMergedWithNext},
       {"Contiguous", SplitBehavior::kContiguous}}};
  return find_maker(kBehaviors, what, "split behavior", name);
}

std::vector<ByteSpan> split_at(const std::vector<ByteSpan>& delimiters,
                               size_t size,
                               SplitBehavior behavior,
                               bool invert) {
  std::vector<ByteSpan> pieces = pieces_of(cover(delimiters, size, invert), behavior);
  std::erase_if(pieces, [](const ByteSpan& piece) { return piece.begin == piece.end; });
  return pieces;
}

std::vector<ByteSpan> find_characters(std::string_view text, bool (*has_property)(char32_t)) {
  std::vector<ByteSpan> spans;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    if (has_property(next_code_point(text, at))) spans.push_back({begin, at});
  }
  return spans;
}

}  // namespace partita::text
