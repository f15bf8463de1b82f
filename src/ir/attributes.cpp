// SPDX-License-Identifier: Apache-2.0
// Attributes of nodes: typed access and text form.
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "ir/scanner.h"
#include "ir/type_text.h"
#include "ir/types.h"
#include "support/error.h"

namespace partita::ir {
namespace {

template <typename T>
const T& get(const std::map<std::string, Attribute>& values,
             const std::string& name,
             std::string_view expected) {
  const auto found = values.find(name);
  if (found == values.end()) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[attributes] ", name, " is missing; expected ", expected));
  }
  if (const T* value = std::get_if<T>(&found->second)) return *value;
  throw Error(ErrorCode::kInvalidArgument, str("[attributes] ", name, " is ",
                                               to_string(found->second), "; expected ", expected));
}

std::string print_number(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 40> buffer{};
  // Without a format to_chars writes the shortest text that reads back to the same bits.
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  std::string text(buffer.data(), result.ptr);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

int64_t Attributes::integer(const std::string& name) const {
  return get<int64_t>(values_, name, "an integer");
}

double Attributes::number(const std::string& name) const {
  const auto found = values_.find(name);
  if (found != values_.end()) {
    if (const auto* whole = std::get_if<int64_t>(&found->second))
      return static_cast<double>(*whole);
  }
  return get<double>(values_, name, "a number");
}

const std::string& Attributes::text(const std::string& name) const {
  return get<std::string>(values_, name, "a text");
}

const std::vector<int64_t>& Attributes::integers(const std::string& name) const {
  return get<std::vector<int64_t>>(values_, name, "a list of integers");
}

int64_t Attributes::integer_or(const std::string& name, int64_t fallback) const {
  return has(name) ? integer(name) : fallback;
}

double Attributes::number_or(const std::string& name, double fallback) const {
  return has(name) ? number(name) : fallback;
}

std::string Attributes::text_or(const std::string& name, std::string fallback) const {
  if (has(name)) return text(name);
  return fallback;
}

std::string to_string(const Attribute& attribute) {
  if (const auto* integer = std::get_if<int64_t>(&attribute)) return std::to_string(*integer);
  if (const auto* number = std::get_if<double>(&attribute)) return print_number(*number);
  if (const auto* text = std::get_if<std::string>(&attribute)) return quote(*text);
  return to_string(std::get<std::vector<int64_t>>(attribute));
}

Attribute scan_attribute(Scanner& scanner) {
  if (scanner.peek('"')) return scanner.quoted();
  if (scanner.peek('[')) return scanner.integers();
  const std::string_view text = scanner.number_text();
  const char* const end = text.data() + text.size();
  int64_t integer = 0;
  if (const auto result = std::from_chars(text.data(), end, integer);
      result.ec == std::errc() && result.ptr == end) {
    return integer;
  }
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  double number = 0;
  if (const auto result = std::from_chars(text.data(), end, number);
      result.ec == std::errc() && result.ptr == end && std::isfinite(number) &&
      text.find_first_of(".e") != std::string_view::npos) {
    return number;
  }
  scanner.fail(
      str("a 64-bit integer, a finite float, a quoted text or a list before here, not ", text));
}

}  // namespace partita::ir
