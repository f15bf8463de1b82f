// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/html/markup.h"

#include "planner/explain/human_text.h"
#include "support/error.h"

namespace partita::planner {
namespace {

// The style knows so many colours of axes; more axes share them.
constexpr int kAxisColours = 6;

std::string part_markup(const SpecPart& part) {
  if (part.axis < 0) return escaped(part.text);
  return tag("span", {{"class", str("axis axis", part.axis % kAxisColours)}}, escaped(part.text));
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string script_json(const Json& json) {
  std::string result;
  for (const char c : json.dump()) {
    if (c == '<') {
      result += "\\u003c";
    } else {
      result += c;
    }
  }
  return result;
}

std::string tag(std::string_view name, Attributes attributes, std::string_view content) {
  std::string result = str("<", name);
  for (const auto& [key, value] : attributes) result += str(" ", key, "=\"", escaped(value), "\"");
  return str(result, ">", content, "</", name, ">");
}

std::string number(double value) {
  std::string text = fixed_text(value, 2);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string spec_markup(const SpecParts& parts) {
  std::string dims;
  std::string partials;
  bool is_first = true;
  for (const SpecPart& part : parts) {
    if (part.text.starts_with("+")) {
      partials += " " + part_markup(part);
      continue;
    }
    dims += (is_first || part.text.starts_with("*") ? "" : ", ") + part_markup(part);
    is_first = false;
  }
  return tag("code", {}, "[" + dims + "]" + partials);
}

std::string strategy_markup(const SpecParts& parts) {
  std::string text;
  for (const SpecPart& part : parts) text += (text.empty() ? "" : " ") + part_markup(part);
  return tag("code", {}, text);
}

}  // namespace partita::planner
