// SPDX-License-Identifier: Apache-2.0
// UTF-8 and the character properties that tokenizers need; the Unicode data come from ICU.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace partita::text {

// U+FFFD in UTF-8: what stands for every byte sequence that is not UTF-8.
inline constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// Code point at byte `at` of valid UTF-8; moves `at` behind it. `at` must be below text.size().
[[nodiscard]] char32_t next_code_point(std::string_view text, size_t& at);

// Appends `code_point` (a scalar value) as UTF-8.
void append_utf8(std::string& out, char32_t code_point);

// `text` with each maximal broken sequence replaced by one U+FFFD (the rule of Unicode 3.9, which
// the common decoders share). Valid text comes back unchanged.
[[nodiscard]] std::string replace_invalid_utf8(std::string_view text);

// Number of bytes at the end of `text` (0 .. 3) that start a character which is not complete yet.
[[nodiscard]] size_t incomplete_utf8_tail(std::string_view text);

// Property White_Space.
[[nodiscard]] bool is_white_space(char32_t code_point);

// General category Nd, Nl or No.
[[nodiscard]] bool is_numeric(char32_t code_point);

// General category P*, or one of the 32 ASCII punctuation characters.
[[nodiscard]] bool is_punctuation(char32_t code_point);

// Word character of UTS 18: Alphabetic, M*, Nd, Pc or Join_Control.
[[nodiscard]] bool is_word(char32_t code_point);

// Lower case, character by character (no final sigma rule).
[[nodiscard]] std::string to_lower(std::string_view text);

// `text` (valid UTF-8, below 2 GiB) in the given normal form. Throws Error(kSystem) if ICU fails.
[[nodiscard]] std::string normalize(std::string_view text, NormalForm form);

}  // namespace partita::text
