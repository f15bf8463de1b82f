// SPDX-License-Identifier: Apache-2.0
// Lists of linear layers that users of DeepSpeed give by name: by environment variable or file, in
// front of what is built in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace partita::planner {

inline constexpr char kAllReduceItems[] = "allReduceLinearItems";
inline constexpr char kKeepItems[] = "keepLinearItems";

// "['o_proj', 'down_proj']", "[\"o_proj\"]" or "o_proj, down_proj"; blank = none. Throws
// kInvalidArgument naming `what`, the text and the rule.
[[nodiscard]] std::vector<std::string> parse_items(std::string_view text, std::string_view what);

// Names that DeepSpeed knows: a linear layer whose path holds one of them, component by component,
// sums over ranks (rows), or stays whole.
[[nodiscard]] const std::vector<std::string>& built_in_row_items();
[[nodiscard]] const std::vector<std::string>& built_in_kept_items();

}  // namespace partita::planner
