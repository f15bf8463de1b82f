// SPDX-License-Identifier: Apache-2.0
// Token reader of the ir/ notations.
#include "ir/scanner.h"

#include <algorithm>
#include <charconv>

#include "support/error.h"

namespace partita::ir {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_letter(c) || is_digit(c) || c == '_'; }
bool is_name(char c) { return is_word(c) || c == '.' || c == '-' || c == '/' || c == '@'; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

bool is_value_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), is_name);
}

bool is_identifier(std::string_view name) {
  return !name.empty() && !is_digit(name[0]) && std::all_of(name.begin(), name.end(), is_word);
}

void Scanner::skip_space() {
  while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n' ||
                                      text_[position_] == '\t' || text_[position_] == '\r')) {
    ++position_;
  }
}

void Scanner::fail(std::string_view rule) {
  const std::string_view before = text_.substr(0, position_);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_start =
      before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  throw Error(ErrorCode::kInvalidFile,
              str("[", what_, "] line ", line, ", column ", position_ - line_start + 1, ", at ",
                  quote(text_.substr(position_, 20)), ": expected ", rule));
}

bool Scanner::accept(std::string_view token) {
  skip_space();
  if (!text_.substr(position_).starts_with(token)) return false;
  const size_t end = position_ + token.size();
  if (is_word(token.back()) && end < text_.size() && is_word(text_[end])) return false;
  position_ = end;
  return true;
}

void Scanner::expect(std::string_view token) {
  if (!accept(token)) fail(str("'", token, "'"));
}

bool Scanner::peek(char character) {
  skip_space();
  return position_ < text_.size() && text_[position_] == character;
}

bool Scanner::at_end() {
  skip_space();
  return position_ == text_.size();
}

std::string Scanner::identifier() {
  skip_space();
  size_t end = position_;
  while (end < text_.size() && is_word(text_[end])) ++end;
  const std::string_view word = text_.substr(position_, end - position_);
  if (!is_identifier(word)) fail("a name of letters, digits and _ that starts with no digit");
  position_ = end;
  return std::string(word);
}

std::string Scanner::value_name() {
  size_t end = position_;
  while (end < text_.size() && is_name(text_[end])) ++end;
  if (end == position_) fail("a value name of letters, digits and _.-/@");
  const std::string_view name = text_.substr(position_, end - position_);
  position_ = end;
  return std::string(name);
}

std::string Scanner::quoted() {
  expect("\"");
  std::string result;
  while (position_ < text_.size() && text_[position_] != '"') {
    const char c = text_[position_];
    if (c != '\\') {
      if (c < ' ' || c > '~')
        fail("only printable ASCII between quotes (write other bytes as \\xNN)");
      result += c;
      ++position_;
      continue;
    }
    const std::string_view escape = text_.substr(position_, 4);
    if (escape.starts_with("\\\"") || escape.starts_with("\\\\")) {
      result += escape[1];
      position_ += 2;
    } else if (escape.size() == 4 && escape[1] == 'x' && hex_digit(escape[2]) >= 0 &&
               hex_digit(escape[3]) >= 0) {
      result += static_cast<char>(hex_digit(escape[2]) * 16 + hex_digit(escape[3]));
      position_ += 4;
    } else {
      fail("one of the escapes \\\" \\\\ \\xNN");
    }
  }
  if (position_ == text_.size()) fail("a closing quote");
  ++position_;
  return result;
}

std::string_view Scanner::number_text() {
  skip_space();
  size_t end = position_;
  while (end < text_.size() &&
         (is_word(text_[end]) || text_[end] == '.' || text_[end] == '-' || text_[end] == '+')) {
    ++end;
  }
  if (end == position_) fail("a number");
  const std::string_view number = text_.substr(position_, end - position_);
  position_ = end;
  return number;
}

int64_t Scanner::integer() {
  skip_space();
  const size_t start = position_;
  const std::string_view digits = number_text();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    position_ = start;
    fail("a 64-bit integer");
  }
  return value;
}

std::vector<int64_t> Scanner::integers() {
  std::vector<int64_t> result;
  expect("[");
  if (accept("]")) return result;
  do {
    result.push_back(integer());
  } while (accept(","));
  expect("]");
  return result;
}

std::string quote(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += {'\\', c};
    } else if (c < ' ' || c > '~') {
      const auto byte = static_cast<unsigned char>(c);
      result += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string to_string(const std::vector<int64_t>& integers) {
  std::string result = "[";
  for (size_t i = 0; i < integers.size(); ++i) {
    if (i > 0) result += ',';
    result += std::to_string(integers[i]);
  }
  return result + ']';
}

}  // namespace partita::ir
