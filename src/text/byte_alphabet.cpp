// SPDX-License-Identifier: Apache-2.0
// Tables of the byte-level alphabet in both directions, built at compile time.
#include "text/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "text/unicode.h"

namespace partita::text {
namespace {

constexpr char32_t kFirstStandIn = 0x100;
constexpr size_t kCharacters = 0x144;  // one above the last stand-in
constexpr int16_t kNoByte = -1;

constexpr bool stands_for_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<char32_t, 256> make_characters() {
  std::array<char32_t, 256> table{};
  char32_t next = kFirstStandIn;
  for (int byte = 0; byte < 256; ++byte) {
    table[static_cast<size_t>(byte)] =
        stands_for_itself(byte) ? static_cast<char32_t>(byte) : next++;
  }
  return table;
}

constexpr std::array<char32_t, 256> kCharacterOfByte = make_characters();

constexpr std::array<int16_t, kCharacters> make_bytes() {
  std::array<int16_t, kCharacters> table{};
  for (auto& entry : table) entry = kNoByte;
  for (size_t byte = 0; byte < kCharacterOfByte.size(); ++byte) {
    table[kCharacterOfByte[byte]] = static_cast<int16_t>(byte);
  }
  return table;
}

constexpr std::array<int16_t, kCharacters> kByteOfCharacter = make_bytes();

}  // namespace

std::string bytes_to_characters(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes)
    append_utf8(out, kCharacterOfByte[static_cast<unsigned char>(byte)]);
  return out;
}

std::optional<std::string> characters_to_bytes(std::string_view characters) {
  std::string out;
  out.reserve(characters.size());
  for (size_t at = 0; at < characters.size();) {
    const char32_t character = next_code_point(characters, at);
    if (character >= kCharacters || kByteOfCharacter[character] == kNoByte) return std::nullopt;
    out += static_cast<char>(kByteOfCharacter[character]);
  }
  return out;
}

}  // namespace partita::text
