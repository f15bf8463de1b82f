// SPDX-License-Identifier: Apache-2.0
// UTF-8 scanning by hand, properties and normal forms by ICU.
#include "text/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>

#include "support/error.h"

namespace partita::text {
namespace {

enum class SequenceState { kComplete, kIncomplete, kInvalid };

// The longest prefix at a position that is, or could become, one character.
struct Sequence {
  size_t size;
  SequenceState state;
};

// What may follow a lead byte: the number of continuation bytes and the range of the first one,
// which is narrower than 80..BF where overlong forms, surrogates and values above U+10FFFF must be
// excluded.
struct Continuation {
  size_t count;
  unsigned char low;
  unsigned char high;
};

Continuation continuation_of(unsigned char lead) {
  if (lead < 0xC2 || lead > 0xF4) return {0, 0, 0};
  if (lead < 0xE0) return {1, 0x80, 0xBF};
  if (lead == 0xE0) return {2, 0xA0, 0xBF};
  if (lead == 0xED) return {2, 0x80, 0x9F};
  if (lead < 0xF0) return {2, 0x80, 0xBF};
  if (lead == 0xF0) return {3, 0x90, 0xBF};
  if (lead == 0xF4) return {3, 0x80, 0x8F};
  return {3, 0x80, 0xBF};
}

Sequence scan(std::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return {1, SequenceState::kComplete};
  const Continuation rule = continuation_of(lead);
  if (rule.count == 0) return {1, SequenceState::kInvalid};
  for (size_t i = 1; i <= rule.count; ++i) {
    if (at + i >= text.size()) return {i, SequenceState::kIncomplete};
    const auto byte = static_cast<unsigned char>(text[at + i]);
    const unsigned char low = i == 1 ? rule.low : 0x80;
    const unsigned char high = i == 1 ? rule.high : 0xBF;
    if (byte < low || byte > high) return {i, SequenceState::kInvalid};
  }
  return {rule.count + 1, SequenceState::kComplete};
}

const icu::Normalizer2& normalizer_of(NormalForm form) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = nullptr;
  switch (form) {
    case NormalForm::kNfc:
      normalizer = icu::Normalizer2::getNFCInstance(status);
      break;
    case NormalForm::kNfd:
      normalizer = icu::Normalizer2::getNFDInstance(status);
      break;
    case NormalForm::kNfkc:
      normalizer = icu::Normalizer2::getNFKCInstance(status);
      break;
    case NormalForm::kNfkd:
      normalizer = icu::Normalizer2::getNFKDInstance(status);
      break;
  }
  if (U_FAILURE(status) || normalizer == nullptr) {
    throw Error(ErrorCode::kSystem, str("[tokenizer] ICU has no normalization data: ",
                                        u_errorName(status), "; install the complete ICU library"));
  }
  return *normalizer;
}

bool is_ascii_punctuation(char32_t code_point) {
  return (code_point >= '!' && code_point <= '/') || (code_point >= ':' && code_point <= '@') ||
         (code_point >= '[' && code_point <= '`') || (code_point >= '{' && code_point <= '~');
}

}  // namespace

char32_t next_code_point(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const size_t size = scan(text, at).size;
  char32_t code_point = byte(0);
  if (size == 2) code_point &= 0x1F;
  if (size == 3) code_point &= 0x0F;
  if (size == 4) code_point &= 0x07;
  for (size_t i = 1; i < size; ++i) code_point = code_point << 6 | (byte(i) & 0x3Fu);
  at += size;
  return code_point;
}

void append_utf8(std::string& out, char32_t code_point) {
  const auto tail = [&](int shift) {
    out += static_cast<char>(0x80 | (code_point >> shift & 0x3F));
  };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0 | code_point >> 6);
    tail(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0 | code_point >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | code_point >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Sequence sequence = scan(text, at);
    out += sequence.state == SequenceState::kComplete ? text.substr(at, sequence.size)
                                                      : kReplacementUtf8;
    at += sequence.size;
  }
  return out;
}

size_t incomplete_utf8_tail(std::string_view text) {
  constexpr size_t kLongest = 3;  // a character has at most 4 bytes
  for (size_t size = 1; size <= std::min(kLongest, text.size()); ++size) {
    const Sequence sequence = scan(text, text.size() - size);
    if (sequence.state == SequenceState::kIncomplete && sequence.size == size) return size;
  }
  return 0;
}

bool is_white_space(char32_t code_point) {
  return u_isUWhiteSpace(static_cast<UChar32>(code_point));
}

bool is_numeric(char32_t code_point) {
  return (U_GET_GC_MASK(static_cast<UChar32>(code_point)) & U_GC_N_MASK) != 0;
}

bool is_punctuation(char32_t code_point) {
  return is_ascii_punctuation(code_point) ||
         (U_GET_GC_MASK(static_cast<UChar32>(code_point)) & U_GC_P_MASK) != 0;
}

bool is_word(char32_t code_point) {
  const auto character = static_cast<UChar32>(code_point);
  return (U_GET_GC_MASK(character) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 ||
         u_hasBinaryProperty(character, UCHAR_ALPHABETIC) ||
         u_hasBinaryProperty(character, UCHAR_JOIN_CONTROL);
}

std::string to_lower(std::string_view text) {
  constexpr char32_t kCapitalIWithDot = 0x130;  // the only character whose lower case has two
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const char32_t code_point = next_code_point(text, at);
    append_utf8(out, static_cast<char32_t>(u_tolower(static_cast<UChar32>(code_point))));
    if (code_point == kCapitalIWithDot) append_utf8(out, 0x307);
  }
  return out;
}

std::string normalize(std::string_view text, NormalForm form) {
  std::string out;
  icu::StringByteSink<std::string> sink(&out, static_cast<int32_t>(text.size()));
  UErrorCode status = U_ZERO_ERROR;
  const icu::StringPiece piece(text.data(), static_cast<int32_t>(text.size()));
  normalizer_of(form).normalizeUTF8(0, piece, sink, nullptr, status);
  if (U_FAILURE(status)) {
    throw Error(ErrorCode::kSystem, str("[tokenizer] ICU cannot normalize a text of ", text.size(),
                                        " bytes: ", u_errorName(status)));
  }
  return out;
}

}  // namespace partita::text
