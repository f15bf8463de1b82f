// SPDX-License-Identifier: Apache-2.0
// The 256 printable characters that stand for bytes in byte-level vocabularies.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace partita::text {

// Every byte of `bytes` as its character: printable Latin-1 bytes are themselves, the other 68 are
// U+0100 .. U+0143 in order (so a space is U+0120).
[[nodiscard]] std::string bytes_to_characters(std::string_view bytes);

// The inverse; nothing when a character of `characters` (valid UTF-8) stands for no byte.
[[nodiscard]] std::optional<std::string> characters_to_bytes(std::string_view characters);

}  // namespace partita::text
