// SPDX-License-Identifier: Apache-2.0
#include "planner/pins/autotp_items.h"

#include "support/error.h"

namespace partita::planner {
namespace {

constexpr std::string_view kBlanks = " \t\n";

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

class ItemReader {
 public:
  ItemReader(std::string_view text, std::string_view what) : text_(text), what_(what) {}

  [[nodiscard]] std::vector<std::string> read() const {
    std::string_view rest = trimmed(text_);
    const bool is_list = rest.starts_with('[');
    if (is_list != rest.ends_with(']') || (is_list && rest.size() < 2)) {
      refuse("brackets must pair");
    }
    if (is_list) rest = trimmed(rest.substr(1, rest.size() - 2));
    std::vector<std::string> items;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      items.push_back(item(trimmed(rest.substr(0, comma)), is_list));
      if (comma == std::string_view::npos) break;
      rest = trimmed(rest.substr(comma + 1));  // a comma behind the last item is fine
    }
    return items;
  }

 private:
  [[nodiscard]] std::string item(std::string_view text, bool is_list) const {
    const bool is_quoted = text.starts_with('\'') || text.starts_with('"');
    if (is_quoted && (text.size() < 2 || text.back() != text.front())) refuse("quotes must pair");
    if (is_list && !is_quoted) refuse("items of a list are quoted");
    if (is_quoted) text = text.substr(1, text.size() - 2);
    if (text.empty() || text.find_first_of("'\"[] \t") != std::string_view::npos) {
      refuse("every item is the name of a layer, or a part of it");
    }
    return std::string(text);
  }

  [[noreturn]] void refuse(const char* rule) const {
    throw Error(ErrorCode::kInvalidArgument,
                str("[autotp] ", what_, " is \"", text_.substr(0, 200), "\": ", rule,
                    "; expected ['o_proj', 'down_proj'] or o_proj, down_proj"));
  }

  std::string_view text_;
  std::string_view what_;
};

}  // namespace

std::vector<std::string> parse_items(std::string_view text, std::string_view what) {
  return ItemReader(text, what).read();
}

const std::vector<std::string>& built_in_row_items() {
  static const std::vector<std::string> kItems = {
      "out_proj", "o_proj",          "down_proj",    "attention.dense", "self_attention.dense",
      "w2",       "self_attn.dense", "dense_4h_to_h"};
  return kItems;
}

const std::vector<std::string>& built_in_kept_items() {
  static const std::vector<std::string> kItems = {"mlp.gate", "block_sparse_moe.gate", "q_a_proj",
                                                  "kv_a_proj_with_mqa", "shared_expert_gate"};
  return kItems;
}

}  // namespace partita::planner
