// SPDX-License-Identifier: Apache-2.0
// Strict JSON reading on top of nlohmann-json: duplicate keys, depth and size are checked.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

namespace partita {

using Json = nlohmann::ordered_json;  // keeps the order of keys, so that written files are stable

// Parses `text`. Refuses invalid UTF-8, duplicate keys, nesting deeper than 256 and trailing bytes.
// `what` names the source in the message (a file name). Throws Error(kInvalidFile).
[[nodiscard]] Json parse_json(std::string_view text, std::string_view what);

// Reads and parses a whole file of at most `max_bytes`. Throws kNotFound or kInvalidFile.
[[nodiscard]] Json read_json(const std::filesystem::path& path,
                             int64_t max_bytes = int64_t{256} << 20);

// Writes `json` with two-space indent and a final newline, through a temporary file and rename, so
// that readers never see half a file. Throws kSystem.
void write_json(const std::filesystem::path& path, const Json& json);

// Member `key` of object `json`, converted to T. Throws kInvalidFile naming `what`, the key, the
// expected type and the value when it is missing or of another type.
template <typename T>
[[nodiscard]] T json_get(const Json& json, std::string_view key, std::string_view what);

// As json_get, but `fallback` when the key is missing or null.
template <typename T>
[[nodiscard]] T json_get_or(const Json& json,
                            std::string_view key,
                            T fallback,
                            std::string_view what);

// Reads a whole file of at most `max_bytes` into a string. Throws kNotFound or kInvalidFile.
[[nodiscard]] std::string read_text(const std::filesystem::path& path,
                                    int64_t max_bytes = int64_t{256} << 20);

}  // namespace partita
