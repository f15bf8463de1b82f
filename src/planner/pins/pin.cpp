// SPDX-License-Identifier: Apache-2.0
#include "planner/pins/pin.h"

#include <toml++/toml.h>

#include "support/error.h"
#include "support/json.h"

namespace partita::planner {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{1} << 20;  // a pin is one line

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

class PinsReader {
 public:
  explicit PinsReader(std::string_view what) : what_(what) {}

  [[nodiscard]] std::vector<Pin> read(const toml::table& root) const {
    for (const auto& [key, value] : root) {
      if (key.str() == "pins" && value.is_table()) continue;
      refuse(value, str("\"", key.str(), "\"; expected one table [pins]"));
    }
    const toml::table* table = root["pins"].as_table();
    if (table == nullptr) {
      throw Error(ErrorCode::kInvalidFile, str("[pins] ", what_, ": expected a table [pins]"));
    }
    std::vector<Pin> pins;
    for (const auto& [key, value] : *table) add(std::string(key.str()), value, pins);
    return pins;
  }

  [[noreturn]] void refuse(const toml::node& node, const std::string& rule) const {
    throw Error(ErrorCode::kInvalidFile, str("[pins] ", place(node), ": ", rule));
  }

 private:
  [[nodiscard]] std::string place(const toml::node& node) const {
    return str(what_, ":", node.source().begin.line);
  }

  void add(const std::string& match, const toml::node& value, std::vector<Pin>& pins) const {
    if (const toml::array* list = value.as_array()) {
      if (list->empty()) refuse(value, str("\"", match, "\" has an empty list of decisions"));
      for (const toml::node& item : *list) add_one(match, item, pins);
      return;
    }
    add_one(match, value, pins);
  }

  void add_one(const std::string& match, const toml::node& value, std::vector<Pin>& pins) const {
    const auto text = value.value_exact<std::string>();
    if (!text) {
      refuse(value, str("the decision of \"", match, "\" is no text; expected e.g. \"[_, _:tp]\""));
    }
    const std::string_view decision = trimmed(*text);
    if (match.empty() || decision.empty()) {
      refuse(value, str("\"", match, "\" = \"", decision, "\"; expected a pattern and a decision"));
    }
    pins.push_back({match, std::string(decision), place(value), PinLevel::kUser});
  }

  std::string_view what_;
};

}  // namespace

Pin parse_pin(std::string_view text, std::string source) {
  const size_t border = text.find('=');
  const std::string_view match = trimmed(text.substr(0, border));
  const std::string_view decision =
      border == std::string_view::npos ? "" : trimmed(text.substr(border + 1));
  if (match.empty() || decision.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[pins] ", source, " \"", text,
                    "\"; expected PATTERN=DECISION, e.g. 'layers.*.mlp.down_proj=k:tp'"));
  }
  return {std::string(match), std::string(decision), std::move(source), PinLevel::kUser};
}

std::vector<Pin> parse_pins(std::string_view text, std::string_view what) {
  try {
    return PinsReader(what).read(toml::parse(text, what));
  } catch (const toml::parse_error& error) {
    throw Error(ErrorCode::kInvalidFile, str("[pins] ", what, ":", error.source().begin.line,
                                             ": no valid TOML: ", error.description()));
  }
}

std::vector<Pin> load_pins(const std::filesystem::path& file) {
  return parse_pins(read_text(file, kMaxFileBytes), file.filename().string());
}

}  // namespace partita::planner
