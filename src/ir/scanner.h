// SPDX-License-Identifier: Apache-2.0
// Reads the small text notations of ir/ (types, weight sources, graphs) token by token and names
// the place of an error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace partita::ir {

// Walks over `text`, which must outlive it. White space between tokens is free. Every method that
// reads throws Error(kInvalidFile) naming `what`, line and column when the text is something else.
// Owned by one thread.
class Scanner {
 public:
  Scanner(std::string_view text, std::string_view what) : text_(text), what_(what) {}

  // Consumes `token` if it comes next. A token that ends in a letter must not be followed by one.
  bool accept(std::string_view token);
  void expect(std::string_view token);
  // True when the next character is `character`; consumes nothing.
  [[nodiscard]] bool peek(char character);
  [[nodiscard]] bool at_end();

  std::string identifier();  // letter or _, then letters, digits, _
  std::string value_name();  // letters, digits and _.-/@
  std::string quoted();      // "..." with \" \\ and \xNN
  int64_t integer();         // decimal, may be negative
  // A number: the text up to the first character that cannot belong to one.
  std::string_view number_text();
  std::vector<int64_t> integers();  // [1,2,3]

  [[noreturn]] void fail(std::string_view rule);

 private:
  void skip_space();

  std::string_view text_;
  std::string_view what_;
  size_t position_ = 0;
};

// True for the names that Scanner::value_name() reads back whole.
[[nodiscard]] bool is_value_name(std::string_view name);
[[nodiscard]] bool is_identifier(std::string_view name);

// `text` in double quotes; bytes outside printable ASCII become \xNN. Inverse of Scanner::quoted().
[[nodiscard]] std::string quote(std::string_view text);
// "[1,2,3]"; inverse of Scanner::integers().
[[nodiscard]] std::string to_string(const std::vector<int64_t>& integers);

}  // namespace partita::ir
