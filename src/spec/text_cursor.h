// SPDX-License-Identifier: Apache-2.0
// A position in a short text and the few steps with which the text forms of spec/ are read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "support/error.h"

namespace partita::spec {

// Blanks are skipped before every token. A text that breaks a rule throws Error(code) naming the
// text, the position and the rule. The text must outlive the cursor.
class TextCursor {
 public:
  // `what` names the kind of text in messages: "mesh", "spec".
  TextCursor(std::string_view text, std::string_view what, ErrorCode code)
      : text_(text), what_(what), code_(code) {}

  [[nodiscard]] bool at_end();
  // The next character without taking it; '\0' at the end.
  [[nodiscard]] char peek();
  [[nodiscard]] bool accept(char wanted);
  void expect(char wanted);
  void expect_end();

  // [A-Za-z_][A-Za-z0-9_]*
  std::string_view name();
  // A name, or one with "(m)k" behind it: a sub-axis (see spec/mesh.h).
  std::string_view axis_name();
  // A decimal integer >= 0 that fits int64_t.
  int64_t integer();
  // Everything up to one of `stops` (or the end), without blanks at its ends; may be empty.
  std::string_view until(std::string_view stops);

  [[noreturn]] void fail(std::string_view rule) const;

 private:
  void skip_blanks();

  std::string_view text_;
  std::string_view what_;
  ErrorCode code_;
  size_t at_ = 0;
};

}  // namespace partita::spec
