// SPDX-License-Identifier: Apache-2.0
// Tokens of the text forms of spec/.
#include "spec/text_cursor.h"

#include <charconv>

namespace partita::spec {
namespace {

// Not <cctype>: the text forms do not depend on the locale.
bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }
bool is_name_letter(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || letter == '_';
}

}  // namespace

void TextCursor::skip_blanks() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
}

bool TextCursor::at_end() {
  skip_blanks();
  return at_ == text_.size();
}

char TextCursor::peek() { return at_end() ? '\0' : text_[at_]; }

bool TextCursor::accept(char wanted) {
  if (peek() != wanted) return false;
  ++at_;
  return true;
}

void TextCursor::expect(char wanted) {
  if (!accept(wanted)) fail(str("expected '", wanted, "'"));
}

void TextCursor::expect_end() {
  if (!at_end()) fail("expected the end of the text");
}

std::string_view TextCursor::name() {
  skip_blanks();
  const size_t begin = at_;
  if (at_ < text_.size() && is_name_letter(text_[at_])) ++at_;
  while (at_ > begin && at_ < text_.size() &&
         (is_name_letter(text_[at_]) || is_digit(text_[at_]))) {
    ++at_;
  }
  if (at_ == begin) fail("expected a name (a letter or '_', then letters, digits or '_')");
  return text_.substr(begin, at_ - begin);
}

std::string_view TextCursor::axis_name() {
  skip_blanks();
  const size_t begin = at_;
  name();
  if (at_ < text_.size() && text_[at_] == '(') {
    ++at_;
    integer();
    expect(')');
    integer();
  }
  return text_.substr(begin, at_ - begin);
}

int64_t TextCursor::integer() {
  skip_blanks();
  int64_t value = 0;
  const char* begin = text_.data() + at_;
  const char* end = text_.data() + text_.size();
  if (begin == end || !is_digit(*begin)) fail("expected an integer");
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error != std::errc()) fail("expected an integer below 2^63");
  at_ += static_cast<size_t>(stop - begin);
  return value;
}

std::string_view TextCursor::until(std::string_view stops) {
  skip_blanks();
  const size_t begin = at_;
  at_ = std::min(text_.find_first_of(stops, at_), text_.size());
  size_t end = at_;
  while (end > begin && (text_[end - 1] == ' ' || text_[end - 1] == '\t')) --end;
  return text_.substr(begin, end - begin);
}

void TextCursor::fail(std::string_view rule) const {
  throw Error(code_, str("[", what_, "] bad text '", text_, "' at position ", at_, ": ", rule));
}

}  // namespace partita::spec
