// SPDX-License-Identifier: Apache-2.0
// What the parts of tokenizer.json have in common: {"type": "Name", ...options} looked up in a
// table.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "support/json.h"

namespace partita::text {

// One row of a table of known component types.
template <typename Maker>
struct NamedMaker {
  std::string_view type;
  Maker make;
};

// Throws Error(kUnsupported) naming the component and the known types. `kind` is e.g.
// "pre_tokenizer".
[[noreturn]] void throw_unsupported(std::string_view what,
                                    std::string_view kind,
                                    std::string_view type,
                                    const std::vector<std::string_view>& known);

// The maker of `type`; throws as throw_unsupported when the table has none.
template <typename Maker, size_t N>
[[nodiscard]] Maker find_maker(const std::array<NamedMaker<Maker>, N>& table,
                               std::string_view what,
                               std::string_view kind,
                               std::string_view type) {
  std::vector<std::string_view> known;
  for (const auto& row : table) {
    if (row.type == type) return row.make;
    known.push_back(row.type);
  }
  throw_unsupported(what, kind, type, known);
}

// Member `key` of `json` or, when it is missing, null.
[[nodiscard]] const Json& json_member(const Json& json,
                                      std::string_view key,
                                      std::string_view what);

// Member `key`, which must be an array. Throws Error(kInvalidFile).
[[nodiscard]] const Json& json_array(const Json& json, std::string_view key, std::string_view what);

// Member `key`, which must be an integer in [0, 2^31 - 2]. Throws Error(kInvalidFile).
[[nodiscard]] int32_t json_token_id(const Json& json, std::string_view key, std::string_view what);

// `id` as a token id; throws Error(kInvalidFile) naming `token` when it is outside of [0, 2^31 -
// 2].
[[nodiscard]] int32_t checked_token_id(int64_t id, std::string_view token, std::string_view what);

// Member `key`, a string of exactly one character; `fallback` when it is missing. Throws
// Error(kInvalidFile).
[[nodiscard]] std::string json_character(const Json& json,
                                         std::string_view key,
                                         std::string_view fallback,
                                         std::string_view what);

}  // namespace partita::text
