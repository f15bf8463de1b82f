// SPDX-License-Identifier: Apache-2.0
#include "cost/toml_fields.h"

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "support/error.h"

namespace partita::cost {
namespace {

[[noreturn]] void refuse_file(std::string_view what, std::string_view key, std::string_view rule) {
  throw Error(ErrorCode::kInvalidFile, str("[profile] ", what, ": ", key, " ", rule));
}

Json to_json(const toml::node& node, std::string_view what) {
  if (const auto* table = node.as_table()) {
    Json object = Json::object();
    for (const auto& [key, value] : *table) object[std::string(key.str())] = to_json(value, what);
    return object;
  }
  if (const auto* list = node.as_array()) {
    Json array = Json::array();
    for (const auto& value : *list) array.push_back(to_json(value, what));
    return array;
  }
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* integer = node.as_integer()) return integer->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* flag = node.as_boolean()) return flag->get();
  refuse_file(what, str("line ", node.source().begin.line), "holds a date or time; remove it");
}

bool is_name_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

}  // namespace

Json parse_toml(std::string_view text, std::string_view what) {
  try {
    return to_json(toml::parse(text, what), what);
  } catch (const toml::parse_error& error) {
    refuse_file(what, str("line ", error.source().begin.line),
                str("is no valid TOML: ", error.description()));
  }
}

std::string number_text(double value, double unit) {
  const double in_unit = value / unit;
  if (in_unit == 0) return "0.0";
  const double scale = std::pow(10.0, 11 - std::floor(std::log10(std::abs(in_unit))));
  // Shortest text that reads back to the same double; TOML wants a dot or exponent in floats.
  std::array<char, 32> buffer{};
  const double rounded = std::round(in_unit * scale) / scale;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), rounded).ptr;
  std::string text(buffer.data(), end);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string number_line(const NumberKey& key, double value) {
  return str(key.key, " = ", number_text(value, key.unit), "\n");
}

void TomlFields::refuse(std::string_view key, std::string_view rule) const {
  refuse_file(what_, key, rule);
}

void TomlFields::allow_only(std::initializer_list<std::string_view> known) const {
  for (const auto& [key, value] : table_.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      refuse(str("key \"", key, "\""), str("of ", place_, " is unknown; remove it"));
    }
  }
}

// Names go into mesh texts and plans, so they are kept simple.
std::string TomlFields::name(std::string_view key, std::string_view also) const {
  const auto found = table_.find(key);
  const std::string text =
      found != table_.end() && found->is_string() ? found->get<std::string>() : "";
  const bool is_allowed = !also.empty() && text == also;
  if (!is_allowed && (text.empty() || text.size() > 100 ||
                      !std::all_of(text.begin(), text.end(), is_name_letter))) {
    refuse(str("key \"", key, "\""),
           str("of ", place_, " must be a name of letters, digits, '_', '-' and '.'"));
  }
  return text;
}

double TomlFields::checked(const Json& value, const NumberKey& key) const {
  if (!value.is_number()) refuse(str("key \"", key.key, "\""), "is no number");
  const auto number = value.get<double>();
  if (!(number >= key.min && number <= key.max)) {
    refuse(str("key \"", key.key, "\""),
           str("is ", number, "; expected a number within [", key.min, ",", key.max, "]"));
  }
  return number * key.unit;
}

double TomlFields::number(const NumberKey& key) const {
  const auto found = table_.find(key.key);
  if (found == table_.end()) {
    refuse(str("key \"", key.key, "\""), str("of ", place_, " is missing; expected a number"));
  }
  return checked(*found, key);
}

int64_t TomlFields::integer(std::string_view key, int64_t min, int64_t max) const {
  const auto found = table_.find(key);
  const bool is_integer = found != table_.end() && found->is_number_integer();
  const int64_t value = is_integer ? found->get<int64_t>() : 0;
  if (!is_integer || value < min || value > max) {
    refuse(str("key \"", key, "\""),
           str("of ", place_, " must be an integer within [", min, ",", max, "]"));
  }
  return value;
}

std::vector<int64_t> TomlFields::integers(std::string_view key, int64_t min, int64_t max) const {
  const auto found = table_.find(key);
  bool is_good = found != table_.end() && found->is_array() && !found->empty();
  std::vector<int64_t> result;
  for (size_t i = 0; is_good && i < found->size(); ++i) {
    const Json& element = (*found)[i];
    is_good = element.is_number_integer();
    if (is_good) result.push_back(element.get<int64_t>());
    is_good =
        is_good && result[i] >= min && result[i] <= max && (i == 0 || result[i - 1] < result[i]);
  }
  if (!is_good) {
    refuse(str("key \"", key, "\""), str("of ", place_, " must be a list of integers within [", min,
                                         ",", max, "], ascending"));
  }
  return result;
}

std::vector<std::pair<int64_t, double>> TomlFields::pairs(const NumberKey& key) const {
  const std::string quoted = str("key \"", key.key, "\"");
  const auto found = table_.find(key.key);
  if (found == table_.end() || !found->is_array() || found->empty()) {
    refuse(quoted, str("of ", place_, " must be a list of [integer, number] pairs"));
  }
  std::vector<std::pair<int64_t, double>> result;
  for (const Json& pair : *found) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number_integer()) {
      refuse(quoted, str("of ", place_, " must be a list of [integer, number] pairs"));
    }
    const auto first = pair[0].get<int64_t>();
    if (first < 1 || (!result.empty() && first <= result.back().first)) {
      refuse(quoted, str("of ", place_, " has ", first, "; expected integers >= 1, ascending"));
    }
    result.emplace_back(first, checked(pair[1], key));
  }
  return result;
}

std::vector<TomlFields> TomlFields::tables(std::string_view key, std::string_view place) const {
  std::vector<TomlFields> result;
  const auto found = table_.find(key);
  if (found == table_.end()) return result;
  if (!found->is_array()) refuse(key, str("must be written as ", place, " tables"));
  for (const Json& element : *found) {
    if (!element.is_object()) refuse(key, str("must be written as ", place, " tables"));
    result.emplace_back(element, what_, place);
  }
  return result;
}

TomlFields TomlFields::table(std::string_view key, std::string_view place) const {
  const auto found = table_.find(key);
  if (found == table_.end() || !found->is_object()) refuse(place, "is missing; expected a table");
  return {*found, what_, place};
}

}  // namespace partita::cost
