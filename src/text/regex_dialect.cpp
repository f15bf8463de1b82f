// SPDX-License-Identifier: Apache-2.0
// One pass over the pattern; classes are parsed, everything else is mostly copied.
#include "text/regex_dialect.h"

#include <array>
#include <utility>
#include <vector>

#include "support/error.h"
#include "text/unicode.h"

namespace partita::text {
namespace {

constexpr size_t kMaxPatternBytes = size_t{64} << 10;
constexpr int kMaxClassDepth = 16;

// Contents of bracket classes.
constexpr std::string_view kSpace = R"(\x09-\x0d\x20\x85\p{Z})";
constexpr std::string_view kNotSpace =
    R"(\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Cn}\p{Co})";
constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
// The complement of kWord as a union; it wrongly holds the 130 alphabetic symbols of So (circled
// letters).
constexpr std::string_view kNotWord =
    R"(\p{C}\p{Z}\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Po}\p{S}\p{No})";
// Oniguruma takes \w outside of a class from a Latin-1 table that holds these six numbers too.
constexpr std::string_view kLatin1Numbers = R"(\xb2\xb3\xb9\xbc-\xbe)";
constexpr std::string_view kHexDigit = "0-9a-fA-F";

using Name = std::pair<std::string_view, std::string_view>;

constexpr std::array<Name, 9> kPosixClasses = {{{"alpha", R"(\p{Alphabetic})"},
                                                {"alnum", R"(\p{Alphabetic}\p{Nd})"},
                                                {"digit", R"(\p{Nd})"},
                                                {"lower", R"(\p{Lowercase})"},
                                                {"punct", R"(\p{P}\p{S})"},
                                                {"space", kSpace},
                                                {"upper", R"(\p{Uppercase})"},
                                                {"word", kWord},
                                                {"xdigit", kHexDigit}}};

// Property names that PCRE2 does not know.
constexpr std::array<Name, 12> kProperties = {{{"Letter", "L"},
                                               {"Mark", "M"},
                                               {"Number", "N"},
                                               {"Punctuation", "P"},
                                               {"Punct", "P"},
                                               {"Symbol", "S"},
                                               {"Separator", "Z"},
                                               {"Other", "C"},
                                               {"Uppercase_Letter", "Lu"},
                                               {"Lowercase_Letter", "Ll"},
                                               {"Decimal_Number", "Nd"},
                                               {"Digit", "Nd"}}};

template <size_t N>
const std::string_view* look_up(const std::array<Name, N>& names, std::string_view name) {
  for (const Name& entry : names) {
    if (entry.first == name) return &entry.second;
  }
  return nullptr;
}

bool is_digit(char character) { return character >= '0' && character <= '9'; }

class Translator {
 public:
  Translator(std::string_view pattern, std::string_view what) : pattern_(pattern), what_(what) {}

  std::string run() {
    if (pattern_.size() > kMaxPatternBytes) {
      throw Error(ErrorCode::kInvalidFile,
                  str("[tokenizer] ", what_, ": a regular expression has ", pattern_.size(),
                      " bytes; at most ", kMaxPatternBytes));
    }
    while (at_ < pattern_.size()) item();
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(ErrorCode code, std::string_view reason) const {
    throw Error(code, str("[tokenizer] ", what_, ": the regular expression '", pattern_, "' ",
                          reason, "; rewrite it without that"));
  }

  [[nodiscard]] char peek(size_t ahead = 0) const {
    return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0';
  }

  void copy(size_t bytes) {
    out_ += pattern_.substr(at_, bytes);
    at_ = std::min(at_ + bytes, pattern_.size());
  }

  void copy_character() {
    size_t end = at_;
    (void)next_code_point(pattern_, end);
    copy(end - at_);
  }

  void item() {
    switch (peek()) {
      case '\\':
        atom_start_ = out_.size();
        return escape(false);
      case '[':
        atom_start_ = out_.size();
        return outer_class();
      case '(':
        return open_group();
      case ')':
        return close_group();
      case '{':
        return interval();
      case '*':
      case '+':
      case '?':
        return copy(1);
      default:
        atom_start_ = out_.size();
        return copy_character();
    }
  }

  void open_group() {
    group_starts_.push_back(out_.size());
    if (peek(1) == '*') refuse(ErrorCode::kUnsupported, "uses a (*VERB)");
    if (peek(1) != '?') return copy(1);
    if (peek(2) == '~') refuse(ErrorCode::kUnsupported, "uses the absent operator (?~ )");
    if (peek(2) == '#') return skip_comment();
    copy(2);
    while (peek() == 'i' || peek() == 'm' || peek() == 'x' || peek() == '-') {
      out_ += peek() == 'm' ? 's' : peek();  // m lets the dot match a newline in Ruby
      ++at_;
    }
  }

  void skip_comment() {
    group_starts_.pop_back();
    const size_t end = pattern_.find(')', at_);
    at_ = end == std::string_view::npos ? pattern_.size() : end + 1;
  }

  void close_group() {
    if (!group_starts_.empty()) {
      atom_start_ = group_starts_.back();
      group_starts_.pop_back();
    }
    copy(1);
  }

  // {n} {n,} {,m} {n,m}, or a literal brace.
  void interval() {
    size_t end = at_ + 1;
    const size_t low_begin = end;
    while (end < pattern_.size() && is_digit(pattern_[end])) ++end;
    const std::string_view low = pattern_.substr(low_begin, end - low_begin);
    const bool has_comma = end < pattern_.size() && pattern_[end] == ',';
    const size_t high_begin = has_comma ? end + 1 : end;
    end = high_begin;
    while (end < pattern_.size() && is_digit(pattern_[end])) ++end;
    const std::string_view high = pattern_.substr(high_begin, end - high_begin);
    if (end >= pattern_.size() || pattern_[end] != '}' || (low.empty() && high.empty())) {
      atom_start_ = out_.size();
      return copy(1);
    }
    at_ = end + 1;
    const char next = peek();
    const bool wrap = next == '+' || (next == '?' && !has_comma);
    if (wrap) out_.insert(atom_start_, "(?:");
    out_ += str('{', low.empty() ? "0" : low, has_comma ? "," : "", high, '}');
    if (wrap) out_ += ')';
  }

  void outer_class() {
    ++at_;
    out_ += '[';
    if (peek() == '^') copy(1);
    class_items(0);
    out_ += ']';
  }

  // The content of a class up to and without its closing bracket; nested classes are unions and are
  // flattened.
  void class_items(int depth) {
    if (depth > kMaxClassDepth) refuse(ErrorCode::kUnsupported, "nests classes too deeply");
    if (peek() == ']') {
      out_ += R"(\])";
      ++at_;
    }
    while (peek() != ']') {
      if (at_ >= pattern_.size()) refuse(ErrorCode::kInvalidFile, "holds a class without end");
      if (peek() == '[') {
        bracket_in_class(depth);
      } else if (peek() == '\\') {
        escape(true);
      } else if (peek() == '&' && peek(1) == '&') {
        refuse(ErrorCode::kUnsupported, "intersects classes with &&");
      } else {
        copy_character();
      }
    }
    ++at_;
  }

  void bracket_in_class(int depth) {
    const size_t end = pattern_.find(":]", at_);
    if (peek(1) == ':' && end != std::string_view::npos) {
      const std::string_view name = pattern_.substr(at_ + 2, end - at_ - 2);
      const std::string_view* set = look_up(kPosixClasses, name);
      if (set == nullptr) refuse(ErrorCode::kUnsupported, str("uses [:", name, ":]"));
      out_ += *set;
      at_ = end + 2;
      return;
    }
    ++at_;
    if (peek() == '^') refuse(ErrorCode::kUnsupported, "negates a nested class");
    class_items(depth + 1);
  }

  void put_set(std::string_view set, bool in_class) {
    at_ += 2;
    out_ += in_class ? std::string(set) : str('[', set, ']');
  }

  void put_complement(std::string_view set, std::string_view complement, bool in_class) {
    at_ += 2;
    out_ += in_class ? std::string(complement) : str("[^", set, ']');
  }

  void escape(bool in_class) {
    switch (peek(1)) {
      case 's':
        return put_set(kSpace, in_class);
      case 'S':
        return put_complement(kSpace, kNotSpace, in_class);
      case 'w':
        return put_set(in_class ? std::string(kWord) : str(kWord, kLatin1Numbers), in_class);
      case 'W':
        return put_complement(str(kWord, kLatin1Numbers), kNotWord, in_class);
      case 'h':
        return put_set(kHexDigit, in_class);
      case 'H':
        if (in_class) refuse(ErrorCode::kUnsupported, "uses \\H in a class");
        return put_complement(kHexDigit, "", in_class);
      case 'v':
        out_ += R"(\x0b)";
        at_ += 2;
        return;
      case 'u':
        return code_point_escape();
      case 'p':
      case 'P':
        return property_escape();
      case 'x':
      case 'k':
      case 'g':
        return copy_escape_with_argument();
      default:
        out_ += '\\';
        ++at_;
        if (at_ < pattern_.size()) copy_character();
    }
  }

  // \uHHHH
  void code_point_escape() {
    out_ += str(R"(\x{)", pattern_.substr(std::min(at_ + 2, pattern_.size()), 4), '}');
    at_ = std::min(at_ + 6, pattern_.size());
  }

  void copy_escape_with_argument() {
    const size_t end = peek(2) == '{' ? pattern_.find('}', at_) : std::string_view::npos;
    copy(end == std::string_view::npos ? 2 : end + 1 - at_);
  }

  void property_escape() {
    const size_t end = pattern_.find('}', at_);
    if (peek(2) != '{' || end == std::string_view::npos) return copy(2);
    std::string_view name = pattern_.substr(at_ + 3, end - at_ - 3);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    const std::string_view* known = look_up(kProperties, name);
    out_ += str('\\', peek(1), '{', negated ? "^" : "", known != nullptr ? *known : name, '}');
    at_ = end + 1;
  }

  std::string_view pattern_;
  std::string_view what_;
  size_t at_ = 0;
  std::string out_;
  size_t atom_start_ = 0;             // in out_: what the next quantifier repeats
  std::vector<size_t> group_starts_;  // in out_: the open parentheses
};

}  // namespace

std::string to_pcre2_dialect(std::string_view pattern, std::string_view what) {
  return Translator(pattern, what).run();
}

}  // namespace partita::text
