// SPDX-License-Identifier: Apache-2.0
// The known normalizer types, one maker each.
#include "text/normalizer.h"

#include <array>

#include "text/component.h"
#include "text/pattern.h"
#include "text/unicode.h"

namespace partita::text {
namespace {

using Steps = std::vector<Normalizer::Step>;
using Maker = void (*)(const Json&, std::string_view, Steps&);

template <NormalForm Form>
void add_normal_form(const Json&, std::string_view, Steps& steps) {
  steps.emplace_back([](const std::string& text) { return normalize(text, Form); });
}

void add_prepend(const Json& json, std::string_view what, Steps& steps) {
  const auto prefix = json_get<std::string>(json, "prepend", what);
  steps.emplace_back([prefix](std::string text) {
    if (!text.empty()) text.insert(0, prefix);
    return text;
  });
}

void add_replace(const Json& json, std::string_view what, Steps& steps) {
  const Pattern pattern = Pattern::from_json(json_member(json, "pattern", what), what);
  const auto content = json_get<std::string>(json, "content", what);
  steps.emplace_back(
      [pattern, content](const std::string& text) { return pattern.replace_all(text, content); });
}

void add_lowercase(const Json&, std::string_view, Steps& steps) {
  steps.emplace_back([](const std::string& text) { return to_lower(text); });
}

std::string strip(std::string_view text, bool left, bool right) {
  size_t begin = text.size();
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t character = at;
    if (is_white_space(next_code_point(text, at))) continue;
    begin = std::min(begin, character);
    end = at;
  }
  if (begin >= end) return left || right ? std::string() : std::string(text);
  if (!left) begin = 0;
  if (!right) end = text.size();
  return std::string(text.substr(begin, end - begin));
}

void add_strip(const Json& json, std::string_view what, Steps& steps) {
  const bool left = json_get_or<bool>(json, "strip_left", true, what);
  const bool right = json_get_or<bool>(json, "strip_right", true, what);
  steps.emplace_back([left, right](const std::string& text) { return strip(text, left, right); });
}

void add_sequence(const Json& json, std::string_view what, Steps& steps);

constexpr std::array<NamedMaker<Maker>, 9> kMakers = {{{"NFC", add_normal_form<NormalForm::kNfc>},
                                                       {"NFD", add_normal_form<NormalForm::kNfd>},
                                                       {"NFKC", add_normal_form<NormalForm::kNfkc>},
                                                       {"NFKD", add_normal_form<NormalForm::kNfkd>},
                                                       {"Prepend", add_prepend},
                                                       {"Replace", add_replace},
                                                       {"Lowercase", add_lowercase},
                                                       {"Strip", add_strip},
                                                       {"Sequence", add_sequence}}};

void add_component(const Json& json, std::string_view what, Steps& steps) {
  if (json.is_null()) return;
  const auto type = json_get<std::string>(json, "type", what);
  find_maker(kMakers, what, "normalizer", type)(json, what, steps);
}

void add_sequence(const Json& json, std::string_view what, Steps& steps) {
  for (const Json& item : json_array(json, "normalizers", what)) add_component(item, what, steps);
}

}  // namespace

Normalizer Normalizer::from_json(const Json& json, std::string_view what) {
  Normalizer normalizer;
  add_component(json, what, normalizer.steps_);
  return normalizer;
}

std::string Normalizer::apply(std::string text) const {
  for (const Step& step : steps_) text = step(std::move(text));
  return text;
}

}  // namespace partita::text
